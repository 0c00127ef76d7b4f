import type { NodeName } from "../../api/names.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import type { Cidr } from "../../net/cidr.ts";
import type { Ip } from "../../net/ip.ts";

/** Everything that one node's configuration is planned from. */
export interface BgpInputs {
  readonly snapshot: Snapshot;
  readonly node: NodeName;
  /** The passwords that sessions name, by `NAME/KEY` of the Secret: its text, or why there is none. Absent: not read yet. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** The Services' addresses that this node can deliver to now. */
  readonly deliverable: ReadonlySet<Cidr>;
  /** The node has been asked to go away. */
  readonly isDraining: boolean;
  /** Absent: the node's IPv4 address, else one made from its name. */
  readonly routerId?: Ip | undefined;
  /** What it announces no more, since it goes away; absent: everything is as it was. */
  readonly withdrawn?: Withdrawn;
}

/** `services`: the node's Services' networks and addresses; `everything`: its pods' as well. */
export type Withdrawn = "nothing" | "services" | "everything";

/** A key of a Secret as it was read. */
export type Secret = { readonly text: string } | { readonly missing: string };
