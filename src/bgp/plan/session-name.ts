import type { Ip } from "../../net/ip.ts";
import type { SessionKind } from "./bird-config.ts";

const prefixes = { mesh: "Mesh", global: "Global", node: "Node", workload: "Local_Workload" } as const satisfies Record<
  SessionKind,
  string
>;

/** The session's name as upstream forms it, from addresses only: `Mesh_172_18_1_2`, `Global_fd00__1_port_1790`. */
export function sessionName(kind: SessionKind, neighbor: Ip, port?: number): string {
  const name = `${prefixes[kind]}_${neighbor.replaceAll(/[.:]/g, "_")}`;
  return port === undefined ? name : `${name}_port_${port}`;
}

/** The kind of a session by its name, or undefined when the name is not one of ours. */
export function sessionKindOf(name: string): SessionKind | undefined {
  const kinds: readonly SessionKind[] = ["mesh", "global", "node", "workload"];
  return kinds.find((kind) => name.startsWith(`${prefixes[kind]}_`));
}
