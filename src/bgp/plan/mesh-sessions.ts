import type { Node } from "../../api/objects.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { compareText } from "../../net/compare-text.ts";
import { compareIps, type Ip, type IpVersion, versionOf } from "../../net/ip.ts";
import { asNumberOf } from "./as-number.ts";
import { plainSession, type RejectedObject, type Session } from "./bird-config.ts";
import { sessionName } from "./session-name.ts";

/** The sessions, and the objects that give none although they ask for one. */
export interface PlannedSessions {
  readonly sessions: readonly Session[];
  readonly rejected: readonly RejectedObject[];
}

/**
 * One session to every other node that has an InternalIP of this version. Of each pair, the node whose address is greater
 * as a string connects (as upstream): were both to connect, a graceful restart could be cut short by the second connection.
 */
export function planMesh(snapshot: Snapshot, self: Node, version: IpVersion): PlannedSessions {
  const own = addressOf(self, version);
  const sessions: Session[] = [];
  const rejected: RejectedObject[] = [];
  if (own === undefined) return { sessions, rejected };
  const takenBy = new Map<Ip, Node>([[own, self]]);
  for (const { node, neighbor } of othersOf(snapshot, self, version)) {
    const holder = takenBy.get(neighbor);
    if (holder) {
      const reason = `Cannot peer with ${neighbor}: node ${holder.name} has the same InternalIP; give each node an address of its own`;
      rejected.push({ kind: "Node", name: node.name, reason });
      continue;
    }
    takenBy.set(neighbor, node);
    const name = sessionName("mesh", neighbor);
    const passive = neighbor > own;
    sessions.push({
      ...plainSession,
      name,
      kind: "mesh",
      neighbor,
      neighborAs: asNumberOf(node),
      source: own,
      passive,
    });
  }
  return { sessions, rejected };
}

/** A node's first InternalIP of this version. */
export function addressOf(node: Node, version: IpVersion): Ip | undefined {
  return node.internalIps.find((ip) => versionOf(ip) === version);
}

// --- internal ---

function othersOf(snapshot: Snapshot, self: Node, version: IpVersion): readonly { node: Node; neighbor: Ip }[] {
  return [...snapshot.node.values()]
    .filter((node) => node.name !== self.name)
    .flatMap((node) => {
      const neighbor = addressOf(node, version);
      return neighbor === undefined ? [] : [{ node, neighbor }];
    })
    .sort((a, b) => compareIps(a.neighbor, b.neighbor) || compareText(a.node.name, b.node.name));
}
