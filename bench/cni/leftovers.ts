import { waitFor } from "../../lab/wait.ts";
import type { CniRig } from "./rig.ts";

/** What a node holds while it has no pod: lines of each kind, in order. */
export type NodeTraces = readonly string[];

/** Everything on our node and on the API server that a pod leaves traces in. */
export async function readTraces({ ours: { node }, kubectl }: CniRig): Promise<NodeTraces> {
  const [links, routes, rules, sets, files, handles] = await Promise.all([
    node.run(["ip", "-brief", "link"]),
    node.run(["ip", "route"]),
    node.run(["iptables-save"]),
    node.run(["ipset", "list", "-name"]),
    node.run(["find", "/var/lib/margay/cni", "-type", "f"]),
    kubectl(["get", "ipamhandles", "--output=name"]),
  ]);
  const lasting = rules.split("\n").filter((line) => !line.startsWith("#"));
  return (
    [links, routes, lasting.join("\n").replaceAll(/ ?\[\d+:\d+\]/g, ""), sets, files, handles]
      .flatMap((text) => text.split("\n").map((line) => line.trim()))
      // BIRD has the route of a block: the node keeps its blocks.
      .filter((line) => line !== "" && !line.includes(" proto bird "))
      .sort()
  );
}

/** Resolves once everything is as it was before; rejects with what is still there after 10 s. */
export async function requireNoTrace(rig: CniRig, before: NodeTraces, signal: AbortSignal): Promise<void> {
  await waitFor("a node without traces of pods", { timeoutMs: 10_000, signal }, async () => {
    const left = (await readTraces(rig)).filter((line) => !before.includes(line));
    if (left.length > 0)
      throw new Error(`${left.length} are left after the DELs, such as: ${left.slice(0, 5).join("; ")}`);
    return true;
  });
}
