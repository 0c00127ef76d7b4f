/** The rules of a ClusterNetworkPolicy, each read by itself: one that cannot be read must not take the others with it. */
import { z } from "zod";
import { protocolNumbers } from "../../net/protocol-numbers.ts";
import { type Rule, withRules } from "../custom-kind.ts";
import { networkField } from "../fields.ts";
import { InvalidObjectError } from "../invalid-object-error.ts";
import { parseWith } from "../parse-with.ts";
import { portNamePattern } from "../port-name.ts";
import type { ClusterPeer, ClusterPort, ClusterRule } from "./cluster-network-policy.ts";
import { podPeerFields, podPeerOf } from "./cluster-pod-peer.ts";
import { oneOf } from "./one-of.ts";

// Strict throughout: what is not known may be a limit, or a peer that this code knows nothing of.

const number = () => z.int().min(1).max(65535).meta({ format: "int32" });

const ordered: Rule<{ readonly start: number; readonly end: number }> = {
  cel: "self.start < self.end",
  message: "Start port must be less than End port",
  field: "",
  holds: ({ start, end }) => start < end,
};

const range = withRules(
  z.strictObject({
    start: number().describe("The first port."),
    end: number().describe("The last port, which must be greater."),
  }),
  [ordered],
);

const destinationPort = oneOf({
  number: number().optional().describe("One port."),
  range: range.optional().describe("Ports one after the other."),
});

const transport = (protocol: string) =>
  z
    .strictObject({ destinationPort: destinationPort.describe("The port at the destination.").optional() })
    .check(({ value, issues }) => {
      if (value.destinationPort !== undefined) return;
      issues.push({ code: "custom", input: value, path: [], message: "it must have a destinationPort" });
    })
    .meta({ minProperties: 1 })
    .optional()
    .describe(`What of ${protocol} matches.`);

const protocols = z
  .array(
    oneOf({
      tcp: transport("TCP"),
      udp: transport("UDP"),
      sctp: transport("SCTP"),
      destinationNamedPort: z
        .string()
        .regex(portNamePattern, { error: "it must be the name of a port" })
        .meta({ openapi: { type: "string" } })
        .optional()
        .describe(
          "The port at the destination, by the name that a container of the pod there gives it, of any protocol.",
        ),
    }),
  )
  .min(1)
  .max(25)
  .optional()
  .describe("The packet must match one of these. When it is absent, every protocol and port matches.");

const common = {
  name: z.string().max(100).optional().describe("A name for people; it shows with the rule's packets and errors."),
  action: z
    .enum(["Accept", "Deny", "Pass"])
    .describe(
      "What becomes of a packet that matches: Accept and Deny decide for good, Pass leaves it to the tier that comes next.",
    ),
};

/** A rule for what comes in. */
export const ingressRule = z.strictObject({
  ...common,
  from: z.array(oneOf(podPeerFields)).min(1).max(25).describe("The source must be one of these."),
  protocols,
});

const networks = z
  .array(networkField(43))
  .min(1)
  .max(25)
  .meta({ "x-kubernetes-list-type": "set" })
  .optional()
  .describe("Everything in these networks, such as 10.0.0.0/8 or fd00::/8, pods as well.");

const peerOut = oneOf({ ...podPeerFields, networks });

const namesWithPods: Rule<{ readonly to: readonly object[]; readonly protocols?: readonly object[] | undefined }> = {
  cel:
    "!(self.to.exists(peer, has(peer.networks)) && has(self.protocols) && " +
    "self.protocols.exists(protocol, has(protocol.destinationNamedPort)))",
  message: "networks peer cannot be set with destinationNamedPort since there are no named ports for networks",
  field: "",
  holds: ({ to, protocols = [] }) =>
    !to.some((peer) => "networks" in peer) || !protocols.some((protocol) => "destinationNamedPort" in protocol),
};

/** A rule for what goes out. */
export const egressRule = withRules(
  z.strictObject({
    ...common,
    to: z.array(peerOut).min(1).max(25).describe("The destination must be one of these."),
    protocols,
  }),
  [namesWithPods],
);

/** A rule as it is to be taken, and why it is not taken as it stands, if it could not be read. */
export interface ReadClusterRule {
  readonly rule: ClusterRule;
  readonly problem: string | undefined;
}

/** Reads the rule `json` of `list`, at `place` in it. */
export function readClusterRule(list: "ingress" | "egress", place: number, json: unknown): ReadClusterRule {
  try {
    return { rule: parseRule(list, json), problem: undefined };
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    return standIn(`spec.${list}[${place}]`, json, error);
  }
}

// --- internal ---

function parseRule(list: "ingress" | "egress", json: unknown): ClusterRule {
  if (list === "ingress") {
    const { from, ...rule } = parseWith("rule", ingressRule, json);
    return ruleOf(rule, from.map(podPeerOf));
  }
  const { to, ...rule } = parseWith("rule", egressRule, json);
  return ruleOf(rule, to.map(peerOf));
}

type Head = Omit<z.output<typeof ingressRule>, "from">;

function ruleOf({ name, action, protocols }: Head, peers: readonly ClusterPeer[]): ClusterRule {
  return { name: name ?? "", action, peers, ports: (protocols ?? []).map(portOf) };
}

function peerOf({ networks, ...pods }: z.output<typeof peerOut>): ClusterPeer {
  return networks === undefined ? podPeerOf(pods) : { kind: "networks", cidrs: networks };
}

function portOf({ tcp, udp, sctp, destinationNamedPort }: NonNullable<Head["protocols"]>[number]): ClusterPort {
  if (destinationNamedPort !== undefined) return { name: destinationNamedPort };
  const protocol = protocolNumbers[tcp !== undefined ? "TCP" : udp !== undefined ? "UDP" : "SCTP"];
  const { number, range } = (tcp ?? udp ?? sctp)?.destinationPort ?? {};
  if (number !== undefined) return { protocol, range: { first: number, last: number } };
  return { protocol, range: range && { first: range.start, last: range.end } };
}

const loose = z.object({ name: z.string().max(100).catch(""), action: z.unknown() });

/** As the API prescribes: an Accept that is not understood accepts nothing, and whatever else it may be, everything is denied. */
function standIn(path: string, json: unknown, { problems }: InvalidObjectError): ReadClusterRule {
  const { name, action } = loose.safeParse(json).data ?? { name: "", action: undefined };
  const accepts = action === "Accept";
  const wrong = problems.map(
    (problem) => `${problem.path === "" ? path : `${path}.${problem.path}`} is ${problem.given}: ${problem.reason}`,
  );
  return {
    rule: accepts
      ? { name, action: "Accept", peers: [{ kind: "networks", cidrs: [] }], ports: [] }
      : { name, action: "Deny", peers: [], ports: [] },
    problem: `${wrong.join("; ")}; until then the rule ${accepts ? "accepts nothing" : "denies everything"}`,
  };
}
