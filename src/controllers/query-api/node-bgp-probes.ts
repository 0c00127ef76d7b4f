import { type BgpProbeQuestion, type BgpSessionSide, type BgpSide, maxPeersProbed } from "../../api/bgp-probe.ts";
import { type Ip, isIp, parseIp } from "../../net/ip.ts";
import type { QueryResource } from "./query-resource.ts";
import { StatusError } from "./status.ts";

/**
 * NodeBgpProbes: a node's end of its BGP sessions with all that bears on them. `?peer=ADDRESS,…` has the way to those neighbours
 * probed, which takes two seconds; without it nothing is sent.
 */
export const nodeBgpProbes: QueryResource<BgpSide> = {
  name: "nodebgpprobes",
  kind: "NodeBgpProbes",
  columns: ["Peer", "Node", "State", "Route", "TCP", "TCP Big", "ICMP", "Heard"],
  ask: (agents, node, { query, signal }) => agents.probeBgp(node, { peers: peersIn(query) }, signal),
  fieldsOf: ({ node, ...fields }) => fields,
  rowsOf: ({ sessions }) => sessions.map(rowOf),
};

// --- internal ---

function peersIn(query: unknown): BgpProbeQuestion["peers"] {
  const { peer } = query as { readonly peer?: string | readonly string[] };
  const texts = [peer ?? []].flat().flatMap((text) => text.split(","));
  if (texts.length > maxPeersProbed) {
    throw new StatusError(400, `Cannot probe ${texts.length} peers at once: ${maxPeersProbed} are the most`);
  }
  return texts.map((text): Ip => {
    if (!isIp(text)) throw new StatusError(400, `Cannot read peer=${JSON.stringify(text)}: it is no IP address`);
    return parseIp(text);
  });
}

function rowOf({ neighbor, peerNode, observed, probe }: BgpSessionSide): readonly (string | number)[] {
  const { route, syn, bigSyn, echo = "", heard } = probe ?? {};
  const found = [route?.kind ?? "", syn?.outcome ?? "", bigSyn?.outcome ?? "", echo, heard?.packets ?? ""];
  return [neighbor, peerNode ?? "", observed?.state ?? "", ...found];
}
