/** Queueing disciplines of rtnetlink(7), as far as the shaping of pods needs them: tc-tbf(8), and ingress with a redirect. */

/** Queueing disciplines of one namespace's links. The kernel's refusals reject with a `NetlinkError`. */
export interface TrafficControl {
  /** Those at a link's root or of its ingress, of all links; what the kernel puts there by itself has the handle 0. */
  qdiscs(): Promise<readonly Qdisc[]>;
  /**
   * Makes a token bucket the root of a link, or changes that of the same handle in place. The error's code is `EEXIST` when
   * the root has another handle, unless that is 0, and `EINVAL` when it has this one and is no token bucket.
   */
  setTokenBucket(linkIndex: number, handle: number, bucket: TokenBucket): Promise<void>;
  /** Deletes the root of this handle. One that is not there is no error, nor is a root of another handle: it is left. */
  deleteRoot(linkIndex: number, handle: number): Promise<void>;
  /** Redirects everything that comes in on one link to be sent out on another. `EEXIST`: there is an ingress qdisc already. */
  redirectIngress(linkIndex: number, toLinkIndex: number): Promise<void>;
  /** Adds that redirect to an ingress qdisc that is there. */
  addRedirect(linkIndex: number, toLinkIndex: number): Promise<void>;
  /** Deletes the ingress qdisc with its filters. One that is not there is no error. */
  deleteIngress(linkIndex: number): Promise<void>;
  /** The filters of a link's ingress qdisc. */
  ingressFilters(linkIndex: number): Promise<readonly Filter[]>;
  close(): void;
}

/** A qdisc as the kernel has it. */
export interface Qdisc {
  readonly linkIndex: number;
  readonly place: "root" | "ingress";
  /** `tbf`, `ingress`, `clsact`, `noqueue` … */
  readonly kind: string;
  /** Major number above, minor below: `0x10000` is `1:`. */
  readonly handle: number;
  /** Of a `tbf`. */
  readonly bucket?: TokenBucket;
}

/**
 * A token bucket: tokens come at `rate` until there are `burst` of them. As read, what is counted in bytes is up to two
 * 64 ns ticks' worth more or less than what was written, since the kernel keeps times.
 */
export interface TokenBucket {
  /** Bytes a second. */
  readonly rate: number;
  /** Bytes. A packet of more is dropped, or split where it stands for many. */
  readonly burst: number;
  /** So many bytes may wait for tokens; what comes then is dropped. */
  readonly limit: number;
  /** Bytes a second, more than `rate`. */
  readonly peakRate?: number;
  /** The burst under `peakRate`, in bytes; there with it, and only then. */
  readonly minBurst?: number;
}

/** A filter of an ingress qdisc. */
export interface Filter {
  /** `u32`, `bpf` … */
  readonly kind: string;
  /** Index of the link that it redirects to; undefined when it does something else. */
  readonly redirectsTo: number | undefined;
}
