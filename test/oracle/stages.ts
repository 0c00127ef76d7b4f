/** The stages at which one node judges a packet, in their order, and who decides at each: what the rules have to come to. */
import type { NodeName } from "../../src/api/names.ts";
import type { Snapshot } from "../../src/api/snapshot.ts";
import { hostEndpointOf, hostProfileAllows, type Interface, isFailsafe, isRawFailsafe } from "./interfaces.ts";
import { type JudgedPolicy, judgedPolicies } from "./judged-policy.ts";
import { type Party, type Seen, type Selectable, selectableHost, selectablePod } from "./parties.ts";
import { type Asking, type Decision, decide, hasPolicies } from "./tiers.ts";

/** A packet at one node. Its `to` and `port` are what the node delivers it to. */
export interface Passage {
  readonly snapshot: Snapshot;
  readonly node: NodeName;
  readonly packet: Seen;
  readonly state: "NEW" | "ESTABLISHED" | "INVALID";
  /** What its sender sent it to, if the node exchanges that (DNAT) for `to`. */
  readonly addressedTo?: { readonly party: Party; readonly port?: number };
  readonly path: "forwarded" | "to the host" | "from the host";
  /** Undefined for what the node itself sends. */
  readonly in: Interface | undefined;
  /** Undefined for what the node itself gets. */
  readonly out: Interface | undefined;
  /** The interface towards what it was addressed to, if that is another. */
  readonly firstOut?: Interface;
}

/** What must become of it, and every decision on the way. */
export interface Judgement {
  readonly allowed: boolean;
  readonly steps: readonly Step[];
}

/** The judgement of the specification. */
export function judge(passage: Passage): Judgement {
  const policies = judgedPolicies(passage.snapshot);
  const steps: Step[] = [];
  for (const step of stepsOf({ ...passage, policies, bearsAccept: false, untracked: false })) {
    steps.push(step);
    if (step.verdict === "deny") return { allowed: false, steps };
  }
  return { allowed: true, steps };
}

// --- internal ---

/** One decision. */
interface Step extends Decision {
  readonly stage: string;
}

interface Walk extends Passage {
  readonly policies: readonly JudgedPolicy[];
  /** An untracked or pre-DNAT policy has allowed it, so what comes next for this host endpoint does not ask again. */
  bearsAccept: boolean;
  /** It is in no connection from here on, and its destination is not exchanged. */
  untracked: boolean;
}

function* stepsOf(walk: Walk): Generator<Step> {
  yield* ownProtection(walk);
  yield* untracked(walk);
  yield* preDnat(walk);
  if (walk.untracked && walk.addressedTo !== undefined) return;
  switch (walk.path) {
    case "forwarded":
      if (!walk.bearsAccept) yield* forward(walk, "ingress");
      yield* workload(walk, "egress");
      yield* workload(walk, "ingress");
      yield* forward(walk, "egress");
      return;
    case "to the host":
      if (walk.in?.kind === "workload") {
        if (!isNeededNeighbourMessage(walk)) yield* workload(walk, "egress");
      } else if (!walk.bearsAccept) yield* normal(walk, "ingress");
      return;
    case "from the host":
      if (!walk.bearsAccept) yield* normal(walk, "egress");
  }
}

/** What no policy can allow. */
function* ownProtection({ in: from, packet, path, snapshot }: Walk): Generator<Step> {
  if (from?.kind !== "workload") return;
  const stage = "the node's own protection";
  const isNodes = [...snapshot.node.values()].some(({ internalIps }) => internalIps.includes(packet.to.ip));
  if (path === "forwarded" && packet.protocol === 6 && packet.port === 179 && isNodes) {
    yield { stage, verdict: "deny", why: "workloads do not speak BGP as their node" };
  }
  if (path === "to the host" && packet.protocol === 58 && [134, 137].includes(packet.icmp?.type ?? 0)) {
    yield { stage, verdict: "deny", why: "workloads are no routers" };
  }
}

/** Multicast listeners, router solicitation and neighbour discovery: IPv6 does not work without them. */
function isNeededNeighbourMessage({ packet }: Walk): boolean {
  return packet.protocol === 58 && [130, 131, 132, 133, 135, 136].includes(packet.icmp?.type ?? 0);
}

/** Before connection tracking, packet by packet; not for workloads. */
function* untracked(walk: Walk): Generator<Step> {
  const direction = walk.path === "from the host" ? "egress" : "ingress";
  const via = direction === "ingress" ? walk.in : (walk.firstOut ?? walk.out);
  const endpoint = via?.kind === "host" ? host(walk, via) : undefined;
  if (endpoint === undefined || isRawFailsafe(direction, asAddressed(walk))) return;
  const step = ask(walk, { endpoint, direction, stage: "untracked" }, asAddressed(walk));
  yield step;
  walk.untracked = step.verdict === "allow";
  walk.bearsAccept = walk.untracked;
}

/** Before a Service's address is exchanged; for what comes in. */
function* preDnat(walk: Walk): Generator<Step> {
  const endpoint = walk.in && host(walk, walk.in);
  if (endpoint === undefined || walk.untracked || walk.state === "ESTABLISHED") return;
  const asking: Asking = { endpoint, direction: "ingress", stage: "preDnat" };
  if (walk.state === "INVALID") yield { ...invalid, stage: asking.stage };
  else if (!isFailsafe("ingress", asAddressed(walk))) {
    const step = ask(walk, asking, asAddressed(walk));
    yield step;
    walk.bearsAccept = step.verdict === "allow";
  }
}

/** Policies with applyOnForward; where there are none, everything may pass. */
function* forward(walk: Walk, direction: "ingress" | "egress"): Generator<Step> {
  const via = direction === "ingress" ? walk.in : walk.out;
  const endpoint = via && host(walk, via);
  if (endpoint === undefined) return;
  const asking: Asking = { endpoint, direction, stage: "forward" };
  const known = byConnection(walk);
  if (known !== undefined) yield { ...known, stage: asking.stage };
  else if (hasPolicies(walk.policies, asking)) yield ask(walk, asking, walk.packet);
  else yield { stage: asking.stage, verdict: "allow", why: `no policy with applyOnForward for ${direction}` };
}

/** A pod's own policies. One that is not known well enough to be judged gets and sends nothing. */
function* workload(walk: Walk, direction: "ingress" | "egress"): Generator<Step> {
  const via = direction === "egress" ? walk.in : walk.out;
  if (via?.kind !== "workload") return;
  const stage = `${via.pod} ${direction}`;
  const endpoint = selectablePod(walk.snapshot, via.pod);
  const known = byConnection(walk);
  if (endpoint === undefined) yield { stage, verdict: "deny", why: "its pod or namespace is not known" };
  else if (known === undefined && direction === "egress" && isTunnel(walk.packet)) {
    yield { stage, verdict: "deny", why: "policy would not see what is in a workload's tunnel" };
  } else yield { ...(known ?? profiled(walk, { endpoint, direction, stage: "normal" }, true)), stage };
}

/** VXLAN and IPIP. */
function isTunnel({ protocol, port }: Seen): boolean {
  return protocol === 4 || (protocol === 17 && port === 4789);
}

/** What the node's own processes get and send. */
function* normal(walk: Walk, direction: "ingress" | "egress"): Generator<Step> {
  const via = direction === "ingress" ? walk.in : walk.out;
  const endpoint = via?.kind === "host" ? host(walk, via) : undefined;
  if (via?.kind !== "host" || endpoint === undefined) return;
  const asking: Asking = { endpoint, direction, stage: "normal" };
  const failsafe: Decision = { verdict: "allow", why: "failsafe port" };
  const first = byConnection(walk) ?? (isFailsafe(direction, walk.packet) ? failsafe : undefined);
  const profile = hostProfileAllows(walk.snapshot, hostEndpointOf(walk, via));
  yield { ...(first ?? profiled(walk, asking, profile)), stage: `host ${direction}` };
}

const invalid: Decision = { verdict: "deny", why: "it belongs to no connection" };

function byConnection({ state, untracked: isUntracked }: Walk): Decision | undefined {
  if (isUntracked) return undefined;
  if (state === "INVALID") return invalid;
  return state === "ESTABLISHED" ? { verdict: "allow", why: "known connection" } : undefined;
}

function ask({ snapshot, policies }: Walk, asking: Asking, packet: Seen): Step {
  return { ...decide(snapshot, policies, asking, packet), stage: `${asking.stage} ${asking.direction}` };
}

function profiled({ snapshot, policies, packet }: Walk, asking: Asking, profileAllows: boolean): Decision {
  const decision = decide(snapshot, policies, asking, packet);
  if (decision.verdict !== "none") return decision;
  return { verdict: profileAllows ? "allow" : "deny", why: `profile, since ${decision.why}` };
}

function host(walk: Walk, via: Interface): Selectable | undefined {
  const found = hostEndpointOf(walk, via);
  return found && selectableHost(walk.snapshot, found);
}

function asAddressed({ packet, addressedTo }: Walk): Seen {
  if (addressedTo === undefined) return packet;
  const { port: _, ...rest } = packet;
  return { ...rest, to: addressedTo.party, ...(addressedTo.port === undefined ? {} : { port: addressedTo.port }) };
}
