import type { Command } from "commander";
import type { BgpSide } from "../api/bgp-probe.ts";
import type { Cause } from "../bgp/why/evidence.ts";
import type { KubeClient } from "../kube/client.ts";
import type { AskBgp, Gathered } from "./bgp-evidence.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";
import { addOutputOption, type OutputOptions, print } from "./ipam-command.ts";

/** Adds `bgp why NODE [PEER]`. It ends with 0 when all that was asked about is up, 1 when something is not or cannot be told. */
export function addBgpWhy(program: Command): void {
  const bgp =
    program.commands.find((one) => one.name() === "bgp") ?? program.command("bgp").description("see and plan BGP");
  const command = bgp
    .command("why")
    .description("say why a BGP session is not up, in one sentence, from what both its ends know and find out in 5 s")
    .argument("<node>", "the node at one end")
    .argument("[peer]", "the other end: a node, or an address (default: every session of the node that is not up)");
  addOutputOption(addConnectionOption(command)).action(
    async (node: string, peer: string | undefined, options: ConnectionOptions & OutputOptions) => {
      const { gatherEvidence } = await import("./bgp-evidence.ts");
      const gathered = await withClient(options, (client) => gatherEvidence(askBy(client), node, peer));
      const { explain } = await import("../bgp/why/explain.ts");
      const causes = gathered.evidence.map(explain);
      await print(options, causes, () => formatCauses(causes, gathered, peer !== undefined));
      if (causes.some(({ kind }) => kind !== "up")) process.exitCode = 1;
    },
  );
}

/** A sentence for each, with its facts beneath when one session was asked about; or that all are up. */
export function formatCauses(causes: readonly Cause[], { up }: Pick<Gathered, "up">, withDetails: boolean): string {
  const lines = causes.flatMap(({ sentence, details }) => [
    sentence,
    ...(withDetails ? details.map((detail) => `  ${detail}`) : []),
  ]);
  if (causes.length === 0) lines.push(allUp(up));
  else if (up > 0) lines.push(`The other ${up} ${up === 1 ? "session is" : "sessions are"} up`);
  return `${lines.join("\n")}\n`;
}

// --- internal ---

/** Asks by the query API, which hands the question on to the node's agent. */
function askBy(client: KubeClient): AskBgp {
  return async (node, { peers }, timeoutMs) => {
    const { KubeError } = await import("../kube/client.ts");
    const { parseBgpSide } = await import("../api/bgp-probe.ts");
    const { NoSuchNodeError } = await import("./bgp-evidence.ts");
    const path = `/apis/query.margay.io/v1/nodebgpprobes/${encodeURIComponent(node)}`;
    try {
      const query = peers.length === 0 ? {} : { peer: peers.join(",") };
      return parseBgpSide({ ...(await client.request<BgpSide>("GET", path, { query, timeoutMs })), node });
    } catch (error) {
      if (error instanceof KubeError && error.status === 404 && /there is no such node/.test(error.message)) {
        throw new NoSuchNodeError(`Cannot tell why: there is no node ${node}`);
      }
      throw error;
    }
  };
}

function allUp(count: number): string {
  if (count === 0) return "No session is asked for: no other node, no BGPPeer";
  return count === 1 ? "The one session is up" : `All ${count} sessions are up`;
}
