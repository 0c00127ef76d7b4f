import type { Ip } from "../net/ip.ts";

/** What an allocator needs in order to hold addresses of its node for pods to come. */
export interface ReserveOptions {
  /** Of blocks of so many addresses, how many are held at most when so many pods have asked within the last second. */
  readonly mostOf: (blockSize: number, asked: number) => number;
  /** Whether this process alone gives from the node's reserve; once true, for as long as it lives. It must not throw. */
  readonly isSole: () => boolean;
  /** Whose an address is that an earlier process of the node held. Rejects when that cannot be told. */
  readonly owners: () => Promise<Owners>;
  /** Told, as a sentence, that somebody else has taken away what was held or given. */
  readonly onLost: (sentence: string) => void;
}

/** Who has what, as this node itself has written it down. */
export interface Owners {
  readonly byAddress: ReadonlyMap<Ip, Holder>;
  /** False while some may have what is not written down yet. */
  readonly areAll: boolean;
}

/** Who is named in the block. */
export interface Holder {
  readonly handle: string;
  readonly attributes: Readonly<Record<string, string>>;
}
