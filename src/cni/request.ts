import { CniError, cniCode } from "./cni-error.ts";
import { quote } from "./quote.ts";

/** One call of the executable, as the shim passes it on. */
export interface RawRequest {
  /** Base name of argv[0]: `calico` or `calico-ipam`. */
  readonly program: string;
  /** The variables whose names begin with `CNI_`. */
  readonly environment: ReadonlyMap<string, string>;
  readonly stdin: string;
}

/** The verbs that reach the agent; VERSION is the shim's own. */
export type Verb = "ADD" | "DEL" | "CHECK" | "STATUS" | "GC";

/** Which interface of which container a request is about, as far as a DEL must know it. */
export interface Target {
  readonly containerId: string;
  readonly interfaceName: string;
  readonly pod: PodReference | undefined;
}

/** A target with what else the runtime says of it. */
export interface ArguedTarget extends Target {
  /** The pairs of `CNI_ARGS`; of a key that comes twice the last one. */
  readonly arguments: ReadonlyMap<string, string>;
  /** What CNI_NETNS says, which is checked for a `PodTarget` only. */
  readonly netns: string | undefined;
}

/** The same, whole: what ADD and CHECK need. */
export interface PodTarget extends ArguedTarget {
  /** Absolute path of the pod's network namespace. */
  readonly netns: string;
  readonly pod: PodReference;
}

export interface PodReference {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string | undefined;
}

/** What to do. Throws a `CniError` (4) when CNI_COMMAND is missing or none of these. */
export function verbOf({ environment }: RawRequest): Verb {
  const command = environment.get("CNI_COMMAND");
  const verb = verbs.find((one) => one === command);
  if (verb === undefined) throw invalid(`CNI_COMMAND is ${quote(command)}, not one of ${verbs.join(", ")}`);
  return verb;
}

/** The target of an ADD or CHECK. Throws a `CniError` (4) that names every variable that is missing or malformed. */
export function parsePodTarget({ environment }: RawRequest): PodTarget {
  const faults: string[] = [];
  const names = readNames(environment, faults);
  const netns = environment.get("CNI_NETNS") ?? "";
  if (!netns.startsWith("/")) faults.push(`CNI_NETNS is ${quote(netns || undefined)}, not an absolute path`);
  if (faults.length > 0) throw invalid(faults.join("; "));
  const pairs = readArguments(environment);
  const pod = podOf(pairs);
  if (pod === undefined) {
    throw invalid(
      "CNI_ARGS must name the pod with K8S_POD_NAMESPACE and K8S_POD_NAME: only pods of Kubernetes are wired",
    );
  }
  return { ...names, netns, pod, arguments: pairs };
}

/**
 * The target of an ADD or CHECK by another main plugin, which may be no pod and has its namespace to itself.
 * Throws a `CniError` (4) as `parsePodTarget` does.
 */
export function parseArguedTarget(request: RawRequest): ArguedTarget {
  const names = parseTarget(request);
  const { environment } = request;
  return { ...names, netns: environment.get("CNI_NETNS"), arguments: readArguments(environment) };
}

/**
 * The target of a DEL, which must get through: only the names of container and interface are needed, as the attachment has
 * the rest. Throws a `CniError` (4) when one of them is missing or malformed.
 */
export function parseTarget({ environment }: RawRequest): Target {
  const faults: string[] = [];
  const names = readNames(environment, faults);
  if (faults.length > 0) throw invalid(faults.join("; "));
  return { ...names, pod: podOf(pairsOf(argumentsOf(environment))) };
}

/**
 * Reads the shim's frame body: program NUL, `CNI_X=value` NUL …, NUL, standard input.
 * Throws a `CniError` (4) when it is not that.
 */
export function parseFrame(body: string): RawRequest {
  const environment = new Map<string, string>();
  const programEnd = body.indexOf("\0");
  let start = programEnd + 1;
  for (;;) {
    const end = body.indexOf("\0", start);
    if (programEnd < 0 || end < 0) throw invalid("the request is cut short");
    if (end === start) return { program: body.slice(0, programEnd), environment, stdin: body.slice(end + 1) };
    const entry = body.slice(start, end);
    const equals = entry.indexOf("=");
    if (equals < 0) throw invalid(`${quote(entry)} is not a variable`);
    environment.set(entry.slice(0, equals), entry.slice(equals + 1));
    start = end + 1;
  }
}

/** The body of a frame as `parseFrame` reads it. */
export function formatFrame({ program, environment, stdin }: RawRequest): string {
  const variables = [...environment].map(([name, value]) => `${name}=${value}\0`);
  return `${program}\0${variables.join("")}\0${stdin}`;
}

// --- internal ---

const verbs: readonly Verb[] = ["ADD", "DEL", "CHECK", "STATUS", "GC"];

/** What is wrong with the names is added to `faults`. */
function readNames(environment: ReadonlyMap<string, string>, faults: string[]) {
  const containerId = environment.get("CNI_CONTAINERID");
  const interfaceName = environment.get("CNI_IFNAME");
  if (containerId === undefined || !/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,199}$/.test(containerId)) {
    faults.push(`CNI_CONTAINERID is ${quote(containerId)}, not a container ID`);
  }
  if (interfaceName === undefined || !isInterfaceName(interfaceName)) {
    faults.push(`CNI_IFNAME is ${quote(interfaceName)}, not a name for an interface`);
  }
  return { containerId: containerId ?? "", interfaceName: interfaceName ?? "" };
}

/** The specification's rule, which is the kernel's, less the two names that stand for all interfaces below /proc/sys/net. */
function isInterfaceName(name: string): boolean {
  return (
    /^[^\s/:\0]{1,15}$/.test(name) && Buffer.byteLength(name) <= 15 && ![".", "..", "all", "default"].includes(name)
  );
}

function argumentsOf(environment: ReadonlyMap<string, string>): readonly string[] {
  return (environment.get("CNI_ARGS") ?? "").split(";").filter((one) => one !== "");
}

/** Throws a `CniError` (4) when one of them is no pair. */
function readArguments(environment: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const texts = argumentsOf(environment);
  const odd = texts.find((text) => text.indexOf("=") < 1);
  if (odd !== undefined) throw invalid(`CNI_ARGS holds ${quote(odd)}, not KEY=VALUE`);
  return pairsOf(texts);
}

function pairsOf(texts: readonly string[]): ReadonlyMap<string, string> {
  return new Map(
    texts.flatMap((text) => {
      const equals = text.indexOf("=");
      return equals > 0 ? [[text.slice(0, equals), text.slice(equals + 1)] as const] : [];
    }),
  );
}

/** The pod that the pairs name, if they name one. */
function podOf(values: ReadonlyMap<string, string>): PodReference | undefined {
  const namespace = values.get("K8S_POD_NAMESPACE") ?? "";
  const name = values.get("K8S_POD_NAME") ?? "";
  if (!isObjectName(namespace) || !isObjectName(name)) return undefined;
  return { namespace, name, uid: values.get("K8S_POD_UID") || undefined };
}

/** RFC 1123 subdomain, as Kubernetes requires of pod names (and, shorter, of namespaces). */
function isObjectName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(text);
}

function invalid(sentence: string): CniError {
  return new CniError(cniCode.invalidEnvironment, `Cannot read the request: ${sentence}`);
}
