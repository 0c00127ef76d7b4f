/** What the traffic of a pod is told, and what it tells: a line of JSON each (see traffic-peer.ts). */

/** Somewhere to go, under a name for people. */
export interface Destination {
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Ports that a peer listens on. */
export interface PeerPorts {
  /** TCP, echoing. */
  readonly echo: readonly number[];
  /** TCP and UDP, where nothing may arrive. */
  readonly watched: readonly number[];
}

/** What a peer is to do. */
export type Order =
  /** Keep a connection open, with a numbered line twenty times a second, each of which has to come back in its turn. */
  | { readonly order: "hold"; readonly to: Destination }
  /** Make a new connection four times a second, one line there and back each. */
  | { readonly order: "renew"; readonly to: Destination }
  /** Try to reach all of these: a datagram a hundred times a second each, and a SYN twenty times. */
  | { readonly order: "intrude"; readonly into: readonly Destination[] }
  /** Try that no longer. */
  | { readonly order: "withdraw" }
  /** What has arrived until now was meant to: begin to count and to tell anew. */
  | { readonly order: "forget" }
  /** Send nothing any more; connections stay open, so that what is under way can come back. */
  | { readonly order: "rest" }
  /** Answer with `figures`. */
  | { readonly order: "tell" };

/** What a peer says. */
export type News =
  | { readonly news: "listening" }
  /** The first line over a held connection has come back. */
  | { readonly news: "held"; readonly name: string }
  /** A held connection, or a new one, has failed. */
  | { readonly news: "broken"; readonly name: string; readonly why: string }
  /** For the first time something has arrived from there at a watched port. */
  | { readonly news: "arrived"; readonly protocol: "TCP" | "UDP"; readonly from: string; readonly port: number }
  | ({ readonly news: "figures" } & PeerFigures);

/** How much a peer has done. */
export interface PeerFigures {
  /** To forbidden places. */
  readonly datagrams: number;
  readonly syns: number;
  /** At watched ports: datagrams and connections. */
  readonly arrivals: number;
  /** Lines over held connections, and those of them that came back. */
  readonly sent: number;
  readonly echoed: number;
  /** The longest way there and back of a line. */
  readonly longestMs: number;
  /** New connections that worked, and those of them whose answer took so long that a SYN must have been sent again. */
  readonly renewed: number;
  readonly late: number;
  /** New connections that are under way. */
  readonly renewing: number;
}
