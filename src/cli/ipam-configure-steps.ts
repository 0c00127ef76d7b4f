/** How IPAMConfiguration `default` is changed. */
import { InvalidObjectError } from "../api/invalid-object-error.ts";
import { type IpamConfiguration, parseIpamConfiguration } from "../api/ipam-configuration.ts";
import { apiVersionOf, ipamConfigurationKind as kind, resourcePath } from "../api/kinds.ts";
import { type KubeClient, KubeError } from "../kube/client.ts";
import { readIfThere } from "../kube/read-if-there.ts";

/** What the settings are, every default filled in. */
export type Settings = IpamConfiguration["spec"];

/** Writes `change`, and answers the settings after it. Others' changes meanwhile are looked at, not written over. */
export async function configure(client: KubeClient, change: Partial<Settings>): Promise<Settings> {
  for (let attempt = 1; attempt <= maxConflicts; attempt++) {
    const current = await readIfThere<ConfigurationJson>(client, path);
    const settings = settingsAfter(current, change);
    try {
      await write(client, current, change);
      return settings;
    } catch (error) {
      if (!(error instanceof KubeError) || error.status !== 409) throw error;
    }
  }
  throw new Error(`${opening}: others changed it ${maxConflicts} times meanwhile. Try again`);
}

/**
 * The settings that `change` makes of `current`, which is undefined when there are none yet. Throws a sentence when they
 * would not be valid, or when calicoctl would not make them.
 */
export function settingsAfter(current: ConfigurationJson | undefined, change: Partial<Settings>): Settings {
  const settings = parsed({ metadata: { name: "default" }, spec: { ...current?.spec, ...change } });
  const { strictAffinity, maxBlocksPerHost } = settings;
  if (maxBlocksPerHost === 0 || strictAffinity || !changes(current, change)) return settings;
  // A node at its limit would take addresses of others' blocks: the limit would not say how many it uses.
  const [state, advice] =
    change.strictAffinity === false
      ? ["this turns off", "Give --max-blocks-per-host=0 too"]
      : ["is off", "Give --strictaffinity=true too, or --max-blocks-per-host=0"];
  const limit = `a limit on the blocks of a node (maxBlocksPerHost ${maxBlocksPerHost})`;
  throw new Error(`${opening}: ${limit} needs strictAffinity, which ${state}. ${advice}`);
}

// --- internal ---

/** As the API server has it; its spec may be anything. */
interface ConfigurationJson {
  readonly metadata: { readonly name: string; readonly resourceVersion?: string };
  readonly spec?: Readonly<Record<string, unknown>>;
}

const path = resourcePath(kind, { name: "default" });
const opening = "Cannot change IPAMConfiguration default";
const maxConflicts = 10;
const query = { fieldManager: "margay" };

function parsed(json: ConfigurationJson): Settings {
  try {
    return parseIpamConfiguration(json).spec;
  } catch (error) {
    if (!(error instanceof InvalidObjectError)) throw error;
    const problems = error.problems.map((one) => `${one.path} would be ${one.given}: ${one.reason}`);
    throw new Error(`${opening}: ${problems.join("; ")}`, { cause: error });
  }
}

function changes(current: ConfigurationJson | undefined, change: Partial<Settings>): boolean {
  return Object.entries(change).some(([field, value]) => current?.spec?.[field] !== value);
}

/** Refused by the API server when the object is not `current` any more. */
async function write(
  client: KubeClient,
  current: ConfigurationJson | undefined,
  spec: Partial<Settings>,
): Promise<void> {
  if (current === undefined) {
    const body = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata: { name: "default" }, spec };
    await client.request("POST", resourcePath(kind), { body, query });
    return;
  }
  const { resourceVersion } = current.metadata;
  await client.patch(path, { metadata: { resourceVersion }, spec }, { type: "merge", query });
}
