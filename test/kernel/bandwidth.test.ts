import { execFileSync } from "node:child_process";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ifbName } from "../../src/felix/dataplane/ifb-name.ts";
import { attachmentChange, podChange, ShapedNode, type ShapedPod } from "./shaped-node.ts";

let node: ShapedNode;
let pod: ShapedPod;

beforeEach(() => {
  node = new ShapedNode();
  pod = node.addPod("web");
});

afterEach(() => node[Symbol.dispose]());

const toPod = (bandwidth: string) => ({
  "qos.projectcalico.org/ingressBandwidth": bandwidth,
  "qos.projectcalico.org/ingressBurst": "800k",
});
const fromPod = (bandwidth: string) => ({
  "qos.projectcalico.org/egressBandwidth": bandwidth,
  "qos.projectcalico.org/egressBurst": "800k",
});

/** Two seconds' worth at 8 and at 20 Mbit, and a tenth of a second's or so unshaped. */
const bytes = { 8: 2_000_000, 20: 5_000_000, unshaped: 100_000_000 } as const;

const rateOf = (link: string) => /tbf .* rate (\S+)/.exec(node.tc("qdisc", "show", "dev", link))?.[1];

describe("real traffic", () => {
  test("keeps to the limits of each direction, which change and go while the pod runs", async () => {
    await node.start([podChange(pod, {}), attachmentChange(pod, {})]);
    const free = {
      toPod: await node.send("to pod", pod, bytes.unshaped),
      fromPod: await node.send("from pod", pod, bytes.unshaped),
    };
    await node.apply(podChange(pod, { ...toPod("8M"), ...fromPod("20M") }));
    const first = {
      toPod: await node.send("to pod", pod, bytes[8]),
      fromPod: await node.send("from pod", pod, bytes[20]),
    };
    await node.apply(podChange(pod, { ...toPod("20M"), ...fromPod("8M") }));
    const second = {
      toPod: await node.send("to pod", pod, bytes[20]),
      fromPod: await node.send("from pod", pod, bytes[8]),
    };
    await node.apply(podChange(pod, {}));
    const again = {
      toPod: await node.send("to pod", pod, bytes.unshaped),
      fromPod: await node.send("from pod", pod, bytes.unshaped),
    };
    const shown = (figures: typeof free) =>
      `${figures.toPod.toFixed(1)} to, ${figures.fromPod.toFixed(1)} from the pod`;
    process.stdout.write(
      `Mbit/s: unshaped ${shown(free)}; 8 and 20 set ${shown(first)}; 20 and 8 set ${shown(second)}; unshaped again ${shown(again)}\n`,
    );
    for (const direction of ["toPod", "fromPod"] as const) {
      for (const shaped of [first, second]) {
        for (const unshaped of [free, again]) expect(unshaped[direction]).toBeGreaterThan(10 * shaped[direction]);
      }
    }
    expect(first.fromPod).toBeGreaterThan(1.5 * first.toPod);
    expect(second.toPod).toBeGreaterThan(1.5 * second.fromPod);
    expect(node.warnings).toEqual([]);
  });

  test("of a burst passes at once, and no packet is too large for a small one", async () => {
    // Less than one packet: it must not cut the pod off.
    const tiny = { "qos.projectcalico.org/ingressBandwidth": "20M", "qos.projectcalico.org/ingressBurst": "1k" };
    await node.start([podChange(pod, tiny), attachmentChange(pod, {})]);
    const small = await node.send("to pod", pod, 1_000_000);
    await node.apply(podChange(pod, { ...tiny, "qos.projectcalico.org/ingressBurst": "80M" }));
    const large = await node.send("to pod", pod, 1_000_000);
    process.stdout.write(`Mbit/s at 20 set, 1 MB sent: burst of 1k ${small.toFixed(1)}, of 80M ${large.toFixed(1)}\n`);
    expect(large).toBeGreaterThan(3 * small);
  });
});

describe("in the kernel", () => {
  test("stands what upstream makes, and goes without a trace", async () => {
    await node.start();
    const ifb = ifbName(pod.hostInterface);
    await node.apply(podChange(pod, { "kubernetes.io/egress-bandwidth": "8M" }), attachmentChange(pod, {}));
    expect(node.qdiscs(pod.hostInterface)).toEqual(["ingress ffff:"]);
    expect(node.namespace.ipJson("link", "show", ifb)).toMatchObject([
      { mtu: 1450, txqlen: 1000, flags: expect.arrayContaining(["UP"]) },
    ]);
    expect(rateOf(ifb)).toBe("8Mbit");
    await node.apply(podChange(pod, { ...fromPod("2M"), ...toPod("1M") }));
    expect([rateOf(ifb), rateOf(pod.hostInterface)]).toEqual(["2Mbit", "1Mbit"]);
    await node.apply(podChange(pod, toPod("1M")));
    expect([node.qdiscs(pod.hostInterface), node.ifbs()]).toEqual([["tbf ca11:"], []]);
    await node.apply(podChange(pod, {}));
    expect(node.qdiscs(pod.hostInterface)).toEqual([]);
    await node.apply(podChange(pod, { ...fromPod("2M"), ...toPod("1M") }));
    await node.apply(attachmentChange(pod, undefined));
    expect([node.qdiscs(pod.hostInterface), node.ifbs()]).toEqual([[], []]);
    expect(node.warnings).toEqual([]);
  });

  test("is not touched again where it is right, also by a newcomer", async () => {
    // With the default burst, which is as long as the kernel can say.
    const limits = { "kubernetes.io/ingress-bandwidth": "1M", ...fromPod("20M") };
    const asked = [podChange(pod, limits), attachmentChange(pod, {})];
    await node.start(asked);
    expect(node.requests).toContain("setTokenBucket");
    node.requests.length = 0;
    const db = node.addPod("db");
    await node.apply(podChange(db, {}), attachmentChange(db, {}));
    expect(new Set(node.requests)).toEqual(new Set(["links"]));
    await node.start(asked);
    const reads = new Set(["link", "links", "qdiscs", "ingressFilters"]);
    expect(node.requests.filter((one) => !reads.has(one))).toEqual([]);
  });

  test("comes again with a pair that was made anew", async () => {
    const asked = [podChange(pod, { ...toPod("8M"), ...fromPod("20M") }), attachmentChange(pod, {})];
    await node.start(asked);
    node.wire(pod);
    expect(node.qdiscs(pod.hostInterface)).toEqual([]);
    // Any pass that has something to do, as that of the new pair's own attachment.
    await node.apply(attachmentChange({ ...pod, ip: "10.0.0.77" }, {}));
    expect(node.qdiscs(pod.hostInterface)).toEqual(["ingress ffff:", "tbf ca11:"]);
    expect(rateOf(ifbName(pod.hostInterface))).toBe("20Mbit");
    expect(node.warnings).toEqual([]);
  });

  test("goes also when the pair goes before its pod does", async () => {
    const db = node.addPod("db");
    await node.start([podChange(pod, fromPod("20M")), attachmentChange(pod, {})]);
    node.namespace.ip("link", "del", pod.hostInterface);
    await node.apply(podChange(db, {}), attachmentChange(db, {}));
    expect(node.ifbs()).toEqual([ifbName(pod.hostInterface)]);
    await node.apply(attachmentChange(pod, undefined));
    expect(node.ifbs()).toEqual([]);
    expect(node.warnings).toEqual([]);
  });

  test("is put in order by a newcomer: orphans go, what is wrong is mended", async () => {
    const [gone, other, narrow] = [node.addPod("gone"), node.addPod("other"), node.addPod("narrow")];
    const limits = { ...toPod("8M"), ...fromPod("20M") };
    const all = [pod, gone, other, narrow];
    await node.start(all.flatMap((one) => [podChange(one, limits), attachmentChange(one, {})]));
    node.namespace.ip("link", "del", gone.hostInterface);
    node.namespace.ip("link", "add", "bwcali123456789", "type", "ifb");
    node.tc(..."qdisc change dev cali-web root handle ca11: tbf rate 1mbit burst 10k limit 10k".split(" "));
    node.namespace.ip("link", "set", ifbName(pod.hostInterface), "down");
    node.namespace.ip("link", "set", ifbName(narrow.hostInterface), "mtu", "900");
    node.namespace.ip("link", "del", ifbName(other.hostInterface));
    const left = [pod, other, narrow];
    const wishOf = (one: ShapedPod) => (one === other ? fromPod("2M") : limits);
    await node.start(left.flatMap((one) => [podChange(one, wishOf(one)), attachmentChange(one, {})]));
    expect(node.ifbs().toSorted()).toEqual(left.map((one) => ifbName(one.hostInterface)).toSorted());
    expect([rateOf(pod.hostInterface), rateOf(ifbName(other.hostInterface))]).toEqual(["8Mbit", "2Mbit"]);
    expect(node.qdiscs(other.hostInterface)).toEqual(["ingress ffff:"]);
    for (const one of left) {
      expect(node.namespace.ipJson("link", "show", ifbName(one.hostInterface))).toMatchObject([
        { mtu: 1450, flags: expect.arrayContaining(["UP"]) },
      ]);
      // The redirect leads somewhere.
      expect(await node.send("from pod", one, 100_000)).toBeGreaterThan(0);
    }
  });

  test("costs a node without limits not one request", async () => {
    await node.start([podChange(pod, {}), attachmentChange(pod, {})]);
    expect(node.requests).toEqual(["links", "qdiscs"]);
    const db = node.addPod("db");
    await node.apply(podChange(db, {}), attachmentChange(db, {}));
    await node.apply(attachmentChange(pod, undefined));
    expect(node.requests).toEqual(["links", "qdiscs"]);
  });
});

describe("wishes that cannot be had", () => {
  test("are told once, and keep nobody from its policy", async () => {
    const odd = { ...toPod("quick"), ...fromPod("1") };
    await node.start([podChange(pod, odd), attachmentChange(pod, {})]);
    await node.apply(podChange(pod, { ...odd, more: "x" }), attachmentChange(node.addPod("db"), {}));
    expect(node.warnings).toEqual([
      expect.stringMatching(/ingressBandwidth is left out.*egressBandwidth is taken as 1000/),
    ]);
    expect(rateOf(ifbName(pod.hostInterface))).toBe("1Kbit");
  });

  test("among what others have put on the interface, which stays", async () => {
    node.tc(..."qdisc add dev cali-web root handle 1: tbf rate 1mbit burst 10k limit 10k".split(" "));
    await node.start([podChange(pod, { ...toPod("8M"), ...fromPod("20M") }), attachmentChange(pod, {})]);
    expect(node.qdiscs(pod.hostInterface)).toEqual(["ingress ffff:", "tbf 1:"]);
    expect(rateOf(pod.hostInterface)).toBe("1Mbit");
    expect(node.warnings).toEqual([
      "Cannot shape cali-web: its root qdisc, tbf 1:, is not ours, so traffic to the pod is left as it is",
    ]);
    const db = node.addPod("db");
    node.tc("qdisc", "add", "dev", db.hostInterface, "clsact");
    await node.apply(podChange(db, fromPod("1M")), attachmentChange(db, {}));
    expect(node.warnings.slice(1)).toEqual([
      "Cannot shape cali-db: its ingress has clsact ffff:, which is not ours, so traffic from the pod is left as it is",
    ]);
    await node.apply(podChange(pod, {}), podChange(db, {}));
    expect([node.qdiscs(pod.hostInterface), node.qdiscs(db.hostInterface)]).toEqual([["tbf 1:"], ["clsact ffff:"]]);
  });
});

describe("beside the CNI plugin bandwidth", () => {
  const annotations = { "kubernetes.io/ingress-bandwidth": "8M", "kubernetes.io/egress-bandwidth": "8M" };
  const rates = { ingressRate: 8e6, ingressBurst: 8e5, egressRate: 8e6, egressBurst: 8e5 };

  /** As the runtime calls it, after us: with what our ADD answered and what it read from the annotations. */
  function callPlugin(command: "ADD" | "DEL", limits: Partial<typeof rates> = rates): void {
    const interfaces = [{ name: pod.hostInterface }, { name: "eth0", sandbox: pod.namespace.path }];
    const prevResult = { cniVersion: "0.4.0", interfaces, ips: [{ version: "4", address: `${pod.ip}/32` }] };
    const conf = { cniVersion: "0.4.0", name: "pods", type: "bandwidth", prevResult };
    const env = { CNI_COMMAND: command, CNI_CONTAINERID: "c-web", CNI_NETNS: pod.namespace.path, CNI_IFNAME: "eth0" };
    execFileSync("ip", ["netns", "exec", node.namespace.name, "/usr/lib/cni/bandwidth"], {
      input: JSON.stringify({ ...conf, runtimeConfig: { bandwidth: limits } }),
      env: { ...process.env, ...env, CNI_PATH: "/usr/lib/cni" },
    });
  }

  test("it shapes what kubernetes.io annotations ask for, and nothing of its is touched", async () => {
    const wired = { bandwidthPlugin: "annotated" } as const;
    await node.start([podChange(pod, annotations), attachmentChange(pod, wired)]);
    callPlugin("ADD");
    const theirs = () => [
      node.qdiscs(pod.hostInterface),
      node.ifbs(),
      node.tc("filter", "show", "dev", "cali-web", "ingress"),
    ];
    const made = theirs();
    expect(made.slice(0, 2)).toEqual([["ingress ffff:", "tbf 1:"], [expect.stringMatching(/^bwp/)]]);
    await node.apply(podChange(pod, { ...annotations, ...toPod("1M") }));
    await node.start([podChange(pod, annotations), attachmentChange(pod, wired)]);
    // As an attachment of an earlier agent says nothing of it.
    await node.start([podChange(pod, annotations), attachmentChange(pod, {})]);
    await node.apply(attachmentChange(pod, undefined));
    expect(theirs()).toEqual(made);
    expect(node.warnings).toEqual([
      expect.stringContaining("qos.projectcalico.org/ingressBandwidth is left out: the network's CNI plugin bandwidth"),
      expect.stringMatching(/root qdisc, tbf 1:, is not ours.*; its ingress has a filter u32 bwp.*, which is not ours/),
    ]);
    callPlugin("DEL");
    expect(node.ifbs()).toEqual([]);
  });

  test("the direction that it leaves is shaped as qos.projectcalico.org annotations ask", async () => {
    const mixed = { "kubernetes.io/ingress-bandwidth": "8M", ...fromPod("20M") };
    await node.start([podChange(pod, mixed), attachmentChange(pod, { bandwidthPlugin: "annotated" })]);
    callPlugin("ADD", { ingressRate: 8e6, ingressBurst: 8e5 });
    expect(node.qdiscs(pod.hostInterface)).toEqual(["ingress ffff:", "tbf 1:"]);
    expect([rateOf(pod.hostInterface), rateOf(ifbName(pod.hostInterface))]).toEqual(["8Mbit", "20Mbit"]);
    expect(node.warnings).toEqual([]);
  });
});
