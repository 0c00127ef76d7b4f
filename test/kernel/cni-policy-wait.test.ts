/** How an ADD waits for its pod's policy, and what the pod can do meanwhile: over the real kernel and the real dataplane. */
import { basename } from "node:path";
import { pino } from "pino";
import { expect, onTestFinished } from "vitest";
import { Felix } from "../../src/agent/felix.ts";
import { attachmentKey } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { vethName } from "../../src/cni/veth-name.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { container, expectNothingLeft, test } from "./cni-test.ts";
import { NamespaceHost } from "./namespace-host.ts";

const annotation = "cni.margay.io/policy-setup-timeout";
const oneSecond = confOf({ policy_setup_timeout_seconds: 1 });
const never = () => new Promise<never>(() => undefined);

test("in a namespace that says Continue a late pod starts, and neither sends nor receives until its policy is there", async ({
  node,
}) => {
  say(node, "Continue");
  await node.run(node.netns, ["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  const [webNetns, lateNetns] = [node.addPod("web"), node.addPod("late")];
  const felix = await felixOf(node);
  await node.serve(felix.hooks);
  await node.call({ verb: "ADD", container: "c-web", netns: webNetns, pod: "web" });
  felix.hold();
  const reply = await node.call({ verb: "ADD", container: "c-late", netns: lateNetns, pod: "late", conf: oneSecond });
  expect([reply.exitCode, reply.text]).toEqual([0, expect.stringContaining("192.168.7.")]);

  const [web, late] = [ipOf(node, "c-web"), ipOf(node, "c-late")];
  // Even where a route leads to it.
  await node.run(node.netns, ["ip", "route", "add", late, "dev", vethName("shop", "late"), "scope", "link"]);
  for (const [from, to, ip] of [
    [lateNetns, webNetns, web],
    [webNetns, lateNetns, late],
    [lateNetns, node.netns, "10.250.0.1"],
  ] as const) {
    const before = await received(node, to);
    await send(node, from, ip);
    expect(await received(node, to), `from ${from} to ${ip}`).toBe(before);
  }

  felix.release();
  await expect
    .poll(() => node.reports)
    .toContainEqual(expect.stringContaining("The kernel holds the policy of pod shop/late"));
  const before = await received(node, webNetns);
  await send(node, lateNetns, web);
  expect(await received(node, webNetns)).toBeGreaterThan(before);
  expect(node.observed).toEqual(["attached c-web", "attached c-late"]);
  for (const one of ["web", "late"])
    expect((await node.call({ verb: "DEL", container: `c-${one}`, pod: one })).text).toBe("");
  expect(node.observed.slice(2)).toEqual(["detached c-web", "detached c-late"]);
});

test.for([
  ["says nothing", undefined, ""],
  ["says Fail", "Fail", ""],
  ["says something else", "continue", `is "continue", neither Continue nor Fail`],
] as const)(
  "in a namespace that %s a late pod fails, and nothing of it is left",
  async ([, value, mistake], { node }) => {
    say(node, value);
    const netns = node.addPod("web");
    await node.serve({ publish: never });
    const reply = await node.call({ verb: "ADD", container, netns, pod: "web", conf: oneSecond });
    expect(reply.json).toMatchObject({
      code: 11,
      msg: "Cannot add pod shop/web: the kernel does not hold its policy after 1 s (policy_setup_timeout_seconds of the network configuration)",
      details: expect.stringContaining(mistake),
    });
    await expectNothingLeft(node, netns);
    expect(node.observed).toEqual([]);
    expect(node.reports.some((one) => one.includes("neither Continue nor Fail"))).toBe(mistake !== "");
  },
);

test("a pod that is taken away before its policy came is not told of any more", async ({ node }) => {
  say(node, "Continue");
  const netns = node.addPod("web");
  const held = Promise.withResolvers<void>();
  await node.serve({ publish: () => held.promise });
  expect((await node.call({ verb: "ADD", container, netns, pod: "web", conf: oneSecond })).exitCode).toBe(0);
  expect((await node.call({ verb: "DEL", container, netns, pod: "web" })).exitCode).toBe(0);
  held.resolve();
  await expectNothingLeft(node, netns);
  expect(node.reports).toEqual([]);
});

test("what is under way goes on when the caller has had its answer", async ({ node }) => {
  say(node, "Continue");
  const netns = node.addPod("web");
  const signals: AbortSignal[] = [];
  const publish: CniDependencies["publish"] = (_attachment, signal) => {
    signals.push(signal);
    return never();
  };
  await node.serve({ publish });
  expect((await node.call({ verb: "ADD", container, netns, pod: "web", conf: oneSecond })).exitCode).toBe(0);
  expect(signals.map(({ aborted }) => aborted)).not.toContain(true);
  await node.call({ verb: "DEL", container, netns, pod: "web" });
});

// --- internal ---

function say(node: CniNode, value: string | undefined): void {
  const annotations = value === undefined ? {} : { [annotation]: value };
  node.namespaces.set("shop", { name: "shop", labels: {}, annotations });
}

/** Felix over the node's namespace, whose rules and routes stay as they are between `hold` and `release`. */
async function felixOf(node: CniNode) {
  const host = new NamespaceHost(basename(node.netns));
  const netlink = openNetlink(node.netns);
  let gate: PromiseWithResolvers<void> | undefined;
  const routes = new NetlinkRouteDriver(netlink, "cali");
  const dataplane = new Dataplane({
    rules: new IptablesRules({ host, sets: openSetNetlink(node.netns), print: printTable }),
    routes: {
      // The first step of each pass.
      prune: async (wanted) => {
        await gate?.promise;
        await routes.prune(wanted);
      },
      upsert: (wanted) => routes.upsert(wanted),
      drift: (wanted) => routes.drift(wanted),
      forget: () => routes.forget(),
    },
    shapings: { upsert: async () => {}, prune: async () => {}, forget: () => {} },
  });
  const felix = new Felix({
    podsToCome: () => 0,
    ...{ calculator: new NodeCalculator(node.dependencies.nodeName), dataplane, renderOptions: defaultRenderOptions },
    ...{ clock: systemClock, logger: pino({ level: "silent" }) },
  });
  onTestFinished(() => {
    gate?.resolve();
    felix.stop();
    netlink.close();
  });
  await felix.begin();
  const facts = [
    ...[...node.pods].map(([key, value]) => ({ kind: "pod", key, value })),
    ...[...node.namespaces].map(([key, value]) => ({ kind: "namespace", key, value })),
  ];
  await felix.apply(facts as Change[]);
  const hooks: Pick<CniDependencies, "publish" | "withdraw"> = {
    publish: (value) => felix.apply([{ kind: "attachment", key: attachmentKey(value), value }]),
    withdraw: (key) => felix.apply([{ kind: "attachment", key, value: undefined }]),
  };
  return {
    hooks,
    hold: () => {
      gate = Promise.withResolvers();
    },
    release: () => gate?.resolve(),
  };
}

function ipOf(node: CniNode, containerId: string): string {
  return node.addressesOf(containerId)[0] ?? "";
}

/** Sends a few datagrams to a port on which nobody listens. */
async function send(node: CniNode, from: string, ip: string): Promise<void> {
  const script = 'for n in 1 2 3 4; do echo x > "/dev/udp/$0/9" || true; sleep 0.1; done';
  await node.run(from, ["bash", "-c", script, ip]);
}

/** How many such datagrams have reached the namespace. */
async function received(node: CniNode, netns: string): Promise<number> {
  const lines = (await node.run(netns, ["cat", "/proc/net/snmp"]))
    .split("\n")
    .filter((line) => line.startsWith("Udp:"));
  const [names = [], values = []] = lines.map((line) => line.split(" "));
  return Number(values[names.indexOf("NoPorts")]);
}
