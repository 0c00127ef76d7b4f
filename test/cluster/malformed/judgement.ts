/** Whether a node that has a broken object lets something through that it must not, or holds up what the object is not about. */
import type { ClusterNetworkPolicy, ClusterRule } from "../../../src/api/kubernetes/cluster-network-policy.ts";
import type { Change } from "../../../src/api/snapshot.ts";
import type { BrokenObject } from "./draw.ts";
import { closedBy, isEnforced, isStaged, passingWith, standingsOf, touches } from "./expectations.ts";
import { nothing, valueAt, withValue } from "./json-path.ts";
import { type Passing, type Reading, read } from "./node-under-test.ts";
import { outside, trips } from "./packets.ts";
import { samples } from "./samples.ts";
import { pods } from "./small-world.ts";
import { allowedPort, type World } from "./worlds.ts";

/** What was judged, and the first trips that were wrong. */
export interface Judgement {
  readonly by: string;
  readonly wrong: readonly string[];
}

/** What is known of one object. */
export interface Case {
  readonly broken: BrokenObject;
  readonly reading: Reading;
  /** The API server takes it as well as our parser, so that it is not broken at all. */
  readonly isRight: boolean;
  /** What gets through the node that has it. */
  readonly passing: readonly boolean[];
}

/** One object in the world of its kind. */
export function judge(one: Case, world: World): Judgement {
  const { broken, reading, isRight, passing } = one;
  const { kind } = broken;
  if (overlooks(one)) return { by: "a field that nobody knows", wrong: ["our parser overlooks it"] };
  if (isStaged(kind)) return exactly("staged: as without it", passing, world.alone.passing);
  switch (kind) {
    case "tier":
      if (isRight) return nothingToJudge;
      return exactly("a tier that denies", passing, tierPassing(broken, reading, world));
    case "networkSet":
    case "globalNetworkSet":
      return exactly("the networks that can be read are denied", passing, setPassing(broken, world));
    case "hostEndpoint":
      if (isRight || namesNoInterface(broken)) return nothingToJudge;
      return atMost("an interface at most as open as with the whole object", passing, world.whole.passing);
    default:
      return judgePolicy(one, world);
  }
}

// --- internal ---

/** A restriction that is not understood must not be left out of a policy: from the spec down every field must be known. */
function overlooks({ broken: { kind, mutation }, reading: { rejected, change } }: Case): boolean {
  const { sort, path, value } = mutation;
  // As a text it is a label like others.
  const isField = sort === "unknown field" || (sort === "prototype key" && typeof value === "object");
  if (!isField || path[0] !== "spec" || !(isStaged(kind) || isEnforced(kind))) return false;
  const { problems = [] } = (change.value ?? {}) as Partial<ClusterNetworkPolicy>;
  return rejected === undefined && problems.length === 0;
}

function judgePolicy({ broken, reading, isRight, passing }: Case, world: World): Judgement {
  const { kind, mutation } = broken;
  if (reading.rejected !== undefined && isEnforced(kind)) {
    const expected = passingWith(closedBy(kind, mutation), world.alone.passing, standingsOf(kind));
    return exactly("closed, and nothing else", passing, expected);
  }
  const place = kind === "clusterNetworkPolicy" ? brokenRule(broken, reading) : undefined;
  if (place !== undefined) return exactly("a closed rule", passing, withClosedRule(broken, place, world).passing);
  if (isRight) return nothingToJudge;
  if (mutation.path[0] !== "spec") return exactly("as the whole object", passing, world.whole.passing);
  // A list that is too long is another list.
  if (Array.isArray(mutation.value)) return nothingToJudge;
  if (!touches(mutation, "ingress") && !touches(mutation, "egress")) return nothingToJudge;
  return atMost("rules at most as open as whole ones", passing, world.whole.passing);
}

function exactly(by: string, passing: readonly boolean[], expected: readonly boolean[]): Judgement {
  return { by, wrong: differences(passing, expected) };
}

function atMost(by: string, passing: readonly boolean[], most: readonly boolean[]): Judgement {
  const expected = passing.map((one, index) => one && most[index] === true);
  return exactly(by, passing, expected);
}

const nothingToJudge: Judgement = { by: "nothing to judge by", wrong: [] };

function differences(actual: readonly boolean[], expected: readonly boolean[]): readonly string[] {
  return trips.flatMap(({ text }, index) => {
    if (actual[index] === expected[index]) return [];
    return [`${text} ${actual[index] ? "gets through" : "is dropped"}`];
  });
}

/** The sample denies; what cannot be read of it does too, in its place if that is told, else at the end of the line. */
function tierPassing({ mutation, object }: BrokenObject, { change }: Reading, { alone }: World): readonly boolean[] {
  const isThere = change.key === "broken" && areTexts(object) && !touches(mutation, "order");
  const at = [isThere ? 5 : Number.POSITIVE_INFINITY, 2] as const;
  const everything = { pods: pods.map(({ name }) => name), uplink: true, at };
  const allows = { port: allowedPort, at: [at[0], 1] as const, podsAlone: false };
  return passingWith(everything, openTo(alone), [...standingsOf("tier"), allows]);
}

/** Without the tier object its policies are there already, at the end of the line. */
function openTo({ passing }: World["alone"]): readonly boolean[] {
  return passing.map(() => true);
}

/** Those that are there as they were, in a set that still has its label. */
function setPassing({ kind, object }: BrokenObject, { alone }: World): readonly boolean[] {
  const nets = valueAt(object, ["spec", "nets"]);
  const isListed = valueAt(object, ["metadata", "labels", "listed"]) === "yes" && areTexts(object);
  const denied =
    !Array.isArray(nets) || !isListed ? [] : outside[0]?.filter((_, index) => nets.includes(netOf(kind, index)));
  return trips.map(({ packet: { source, destination } }, index) => {
    return alone.passing[index] === true && !denied?.some((ip) => ip === source || ip === destination);
  });
}

function netOf(kind: BrokenObject["kind"], index: number): unknown {
  return valueAt(samples[kind], ["spec", "nets", index]);
}

/** The API server gives no object whose labels and annotations are anything else. */
function areTexts(object: unknown): boolean {
  const maps = ["labels", "annotations"].map((field) => valueAt(object, ["metadata", field]) ?? {});
  const generation = valueAt(object, ["metadata", "generation"]);
  return (
    generation === undefined &&
    maps.every((map) => typeof map === "object" && !Array.isArray(map) && Object.values(map).every(isText))
  );
}

function isText(value: unknown): boolean {
  return typeof value === "string";
}

/** Nobody can tell which interface of which node was meant, or its labels, by which it has policies, are gone. */
function namesNoInterface({ mutation, object }: BrokenObject): boolean {
  return touches(mutation, "node") || !areTexts(object) || valueAt(object, ["metadata", "labels", "role"]) !== "node";
}

interface RulePlace {
  readonly direction: "ingress" | "egress";
  readonly index: number;
}

/** The one rule of a ClusterNetworkPolicy that could not be read, when the rest of it could. */
function brokenRule({ mutation: { path } }: BrokenObject, { change }: Reading): RulePlace | undefined {
  const [, direction, index] = path;
  const policy = change.value as ClusterNetworkPolicy;
  if (policy.problems.length === 0 || (direction !== "ingress" && direction !== "egress")) return undefined;
  return { direction, index: typeof index === "number" ? index : 0 };
}

/** In its place nothing is accepted, by a rule that was to accept; every other denies everything. */
function withClosedRule({ kind, object }: BrokenObject, { direction, index }: RulePlace, { node }: World): Passing {
  const list = ["spec", direction] as const;
  const isAccept = valueAt(object, [...list, index, "action"]) === "Accept";
  const whole = samples[kind];
  const isIn = valueAt(whole, [...list, index]) !== undefined;
  const without = read(kind, isIn ? withValue(whole, [...list, index], nothing) : whole).change.value;
  const policy = without as ClusterNetworkPolicy;
  const denial: ClusterRule = { name: "", action: "Deny", peers: [], ports: [] };
  const rules = isAccept ? policy[direction] : policy[direction].toSpliced(index, 0, denial);
  return node.with({ kind, key: policy.name, value: { ...policy, [direction]: rules } } as Change);
}
