/** What the leading controllers do about policy, with the rights of their ServiceAccount and under the admission policies. */
import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { waitFor } from "../../lab/wait.ts";
import { Controllers } from "../../src/controllers/controllers.ts";

const root = resolve(import.meta.dirname, "../..");
const finalizer = "projectcalico.org/tier-controller";

let plane: ControlPlane;
let controllers: Controllers;

beforeAll(async () => {
  plane = await startControlPlane({ folder: await mkdtemp(join(tmpdir(), "margay-policy-")), components: "api" });
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/crds`]);
  await plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", "--all", "crd"]);
  for (const name of ["controllers", "query-api", "admission"]) {
    await plane.kubectl(["apply", "--server-side", `--filename=${root}/manifests/${name}.yaml`]);
  }
  controllers = await Controllers.start({
    kubeconfig: await plane.addUser("system:serviceaccount:margay-system:margay-controllers"),
    ...{ identity: "test", queryAddress: "127.0.0.1", queryPort: 0, metricsAddress: "127.0.0.1" },
    ...{ logger: pino({ level: "silent" }), fixedLogLevel: "silent" },
  });
}, 180_000);

afterAll(async () => {
  await controllers?.stop();
  await plane?.stop();
});

test("the built-in tiers are there as upstream has them, and say that they are in force", async () => {
  const tiers = await eventually(async () => {
    const { items } = await json<{ items: readonly Tier[] }>("get", "tiers");
    expect(items.map(({ status }) => status?.conditions[0]?.status)).toEqual(["True", "True", "True"]);
    return items;
  });
  expect(tiers.map(({ metadata, spec }) => [metadata.name, spec.order, spec.defaultAction])).toEqual([
    ["default", 1_000_000, "Deny"],
    ["kube-admin", 1_000, "Pass"],
    ["kube-baseline", 10_000_000, "Pass"],
  ]);
});

test("a tier is deleted only once no policy is in it", async () => {
  await apply({ kind: "Tier", metadata: { name: "security" }, spec: { order: 10 } });
  await apply({
    kind: "GlobalNetworkPolicy",
    metadata: { name: "in-it" },
    spec: { tier: "security", selector: "all()" },
  });
  await eventually(async () => {
    const { metadata } = await json<Tier>("get", "tier", "security");
    expect(metadata.finalizers).toEqual([finalizer]);
  });
  await plane.kubectl(["delete", "tier", "security", "--wait=false"]);
  await eventually(async () => {
    const { status } = await json<Tier>("get", "tier", "security");
    expect(status?.conditions[0]).toMatchObject({ status: "False", reason: "Terminating" });
    expect(status?.conditions[0]?.message).toContain("GlobalNetworkPolicy in-it is");
    expect(await plane.kubectl(["get", "events", "--namespace=default"])).toContain("Terminating");
  });
  await plane.kubectl(["delete", "globalnetworkpolicy", "in-it"]);
  await eventually(async () =>
    expect(await plane.kubectl(["get", "tiers", "--output=name"])).not.toContain("security"),
  );
});

test("a policy gets the label that names its tier, and another when it moves", async () => {
  await apply({ kind: "Tier", metadata: { name: "edge" }, spec: { order: 20 } });
  const policy = (tier: string) => ({
    kind: "NetworkPolicy",
    metadata: { name: "labelled", namespace: "default" },
    spec: { tier },
  });
  const label = async () =>
    (await json<Tier>("get", "networkpolicies.projectcalico.org", "labelled")).metadata.labels?.[
      "projectcalico.org/tier"
    ];
  await apply(policy("edge"));
  await eventually(async () => expect(await label()).toBe("edge"));
  await apply(policy("default"));
  await eventually(async () => expect(await label()).toBe("default"));
});

test("a policy that cannot be read, and an Allow with http, are told of by event", async () => {
  // Only our own check knows the grammar of selectors.
  await apply({ kind: "GlobalNetworkPolicy", metadata: { name: "unreadable" }, spec: { selector: "role = 'web'" } });
  const http = { methods: ["GET"] };
  await apply({
    ...{ kind: "NetworkPolicy", metadata: { name: "requests", namespace: "default" } },
    spec: { ingress: [{ action: "Allow", protocol: "TCP", http }] },
  });
  await eventually(async () => {
    const events = await plane.kubectl(["get", "events", "--namespace=default"]);
    expect(events).toMatch(
      /Warning\s+Unreadable\s+globalnetworkpolicy\/unreadable\s+Cannot read GlobalNetworkPolicy unreadable: spec\.selector/,
    );
    expect(events).toMatch(/Warning\s+HTTPNotEnforced\s+networkpolicy\/requests\s+spec\.ingress\[0\]/);
  });
});

test("every node gets its host endpoint while the configuration says so", async () => {
  const node = { apiVersion: "v1", kind: "Node", metadata: { name: "node-1", labels: { rack: "1" } } };
  await plane.kubectl(["create", "--filename=-"], JSON.stringify(node));
  const status = { status: { addresses: [{ type: "InternalIP", address: "10.0.0.1" }] } };
  await plane.kubectl([
    "patch",
    "node",
    "node-1",
    "--subresource=status",
    "--type=merge",
    `--patch=${JSON.stringify(status)}`,
  ]);
  await eventually(() => autoCreate("Enabled"));
  await eventually(async () => {
    expect((await json<HostEndpoint>("get", "hostendpoint", "node-1-auto-hep")).spec).toMatchObject({
      ...{ node: "node-1", interfaceName: "*", expectedIPs: ["10.0.0.1"], profiles: ["projectcalico-default-allow"] },
    });
  });
  await plane.kubectl(["label", "node", "node-1", "rack=2", "--overwrite"]);
  await eventually(async () =>
    expect((await json<HostEndpoint>("get", "hostendpoint", "node-1-auto-hep")).metadata.labels).toMatchObject({
      rack: "2",
    }),
  );
  await autoCreate("Disabled");
  await eventually(async () => expect(await plane.kubectl(["get", "hostendpoints", "--output=name"])).toBe(""));
});

// --- internal ---

interface Tier {
  readonly metadata: {
    readonly name: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly spec: { readonly order?: number; readonly defaultAction?: string };
  readonly status?: { readonly conditions: readonly { status: string; reason: string; message: string }[] };
}

interface HostEndpoint {
  readonly metadata: { readonly labels: Readonly<Record<string, string>> };
  readonly spec: object;
}

async function autoCreate(wanted: "Enabled" | "Disabled"): Promise<void> {
  const patch = { spec: { controllers: { node: { hostEndpoint: { autoCreate: wanted } } } } };
  await plane.kubectl(["patch", "kcc", "default", "--type=merge", `--patch=${JSON.stringify(patch)}`]);
}

async function apply(object: object): Promise<void> {
  const whole = { apiVersion: "projectcalico.org/v3", ...object };
  await plane.kubectl(["apply", "--server-side", "--force-conflicts", "--filename=-"], JSON.stringify(whole));
}

async function json<T>(...argv: readonly string[]): Promise<T> {
  return JSON.parse(await plane.kubectl([...argv, "--output=json"])) as T;
}

/** What `attempt` gives, which may fail for a while; afterwards with its own error. */
async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const { result } = await waitFor("it to become so", { timeoutMs: 30_000 }, async () => ({ result: await attempt() }));
  return result;
}
