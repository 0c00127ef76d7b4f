import { beforeEach, describe, expect, test, vi } from "vitest";
import type { ProxiedServices } from "../../../../src/agent/bgp/proxied-services.ts";
import { ServiceDelivery } from "../../../../src/agent/bgp/service-delivery.ts";
import type { Snapshot } from "../../../../src/api/snapshot.ts";
import type { EndpointPlan } from "../../../../src/felix/calc/plan.ts";
import { type Ip, parseIp } from "../../../../src/net/ip.ts";
import { testClock } from "../../../fakes/test-clock.ts";
import { clusterSnapshot, nodeName } from "../../bgp/cluster.ts";
import { type ServiceWords, withServices } from "../../bgp/service-words.ts";

const podIp = "10.244.1.5";
const local: ServiceWords = { local: true, balanced: ["192.0.2.7"], endpoints: [`${podIp} node-1`] };
const kinds = new Set(["endpointSlice", "attachment"] as const);

/** What a test may change at any moment, and what it has led to. */
class Bench {
  readonly snapshot: { -readonly [K in keyof Snapshot]: Snapshot[K] } = { ...snapshotOf(local) };
  inForce: ReadonlyMap<string, EndpointPlan> | undefined = new Map([["cali0", endpoint("open")]]);
  proxied: ProxiedServices | undefined | Error = leadsTo(podIp);
  uptimeMs = 3_600_000;
  reads = 0;
  readonly warnings: string[] = [];
  changes = 0;
  readonly delivery = new ServiceDelivery({
    node: nodeName("node-1"),
    snapshot: this.snapshot,
    endpointsInForce: () => this.inForce,
    readProxied: async () => {
      this.reads++;
      if (this.proxied instanceof Error) throw this.proxied;
      return this.proxied;
    },
    uptimeMs: () => this.uptimeMs,
    onChange: () => this.changes++,
    clock: testClock(),
    logger: { info: () => undefined, warn: (_: unknown, text?: string) => this.warnings.push(text ?? String(_)) },
  });

  get deliverable(): readonly string[] {
    return [...this.delivery.deliverable];
  }

  /** The Service's endpoints are these now. */
  endpoints(...endpoints: readonly string[]): void {
    Object.assign(this.snapshot, { endpointSlice: snapshotOf({ ...local, endpoints }).endpointSlice });
    this.delivery.touched(kinds);
  }

  /** Resolves once kube-proxy's rules have been read so often again. */
  async readAgain(times = 3): Promise<void> {
    const before = this.reads;
    await vi.waitFor(() => expect(this.reads).toBeGreaterThanOrEqual(before + times));
  }
}

function snapshotOf(service: ServiceWords, attached: readonly string[] = [podIp]): Snapshot {
  const cluster = { nodes: { "node-1": { ips: ["172.18.1.2"] } }, pools: { "10.244.0.0/16": {} }, attached };
  const networks = { serviceLoadBalancerIPs: [{ cidr: "192.0.2.7/32" }] };
  return withServices(clusterSnapshot(cluster), { default: networks }, { web: service });
}

function endpoint(state: "open" | "closed", ip = podIp): EndpointPlan {
  const direction = { tiers: [], profile: "allow" } as const;
  return { hostInterface: "cali0", addresses: [parseIp(ip)], state, ingress: direction, egress: direction };
}

function leadsTo(...endpoints: readonly string[]): ProxiedServices {
  return new Map([[parseIp("192.0.2.7"), new Set(endpoints.map(parseIp))]]);
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
  return () => bench.delivery.stop();
});

const announced = ["192.0.2.7/32"];
const eventually = (check: () => void) => vi.waitFor(check, { interval: 1 });

describe("an address is deliverable", () => {
  test("once its endpoint is wired, its rules are in force and kube-proxy leads to it; whoever asks is told", async () => {
    await bench.delivery.begin();
    await eventually(() => expect(bench.deliverable).toEqual(announced));
    expect(bench.changes).toBe(1);
    expect(bench.delivery.pending).toEqual([]);
  });

  test("not while kube-proxy leads elsewhere, nor while it does not know the address", async () => {
    for (const proxied of [leadsTo("10.244.2.5"), new Map<Ip, ReadonlySet<Ip>>()]) {
      bench.proxied = proxied;
      void bench.delivery.begin();
      await bench.readAgain();
      expect(bench.deliverable).toEqual([]);
      expect(bench.delivery.pending).toEqual([expect.stringContaining("192.0.2.7 of Service shop/web")]);
    }
    bench.proxied = leadsTo("10.244.2.5", podIp);
    await eventually(() => expect(bench.deliverable).toEqual(announced));
  });

  test("not while its endpoint's rules are not in force, or closed", async () => {
    for (const inForce of [
      new Map(),
      new Map([["cali0", endpoint("closed")]]),
      new Map([["cali0", endpoint("open", "10.244.1.6")]]),
    ]) {
      bench.inForce = inForce;
      void bench.delivery.begin();
      await bench.readAgain();
      expect(bench.deliverable).toEqual([]);
    }
    bench.inForce = new Map([["cali0", endpoint("open")]]);
    bench.delivery.podsInForce();
    await eventually(() => expect(bench.deliverable).toEqual(announced));
  });

  test("not while its endpoint is not attached, though it is of a pool; one of the host's network needs no wiring", async () => {
    Object.assign(bench.snapshot, { attachment: new Map() });
    void bench.delivery.begin();
    await bench.readAgain();
    expect(bench.deliverable).toEqual([]);
    bench.proxied = leadsTo("172.18.1.2");
    bench.endpoints("172.18.1.2 node-1");
    await eventually(() => expect(bench.deliverable).toEqual(announced));
  });

  test("of a Service that endpoints anywhere serve, as soon as kube-proxy leads to any of them", async () => {
    Object.assign(bench.snapshot, snapshotOf({ balanced: ["192.0.2.7"], endpoints: ["10.244.2.5 node-2"] }));
    bench.proxied = leadsTo();
    void bench.delivery.begin();
    await bench.readAgain();
    expect(bench.deliverable).toEqual([]);
    bench.proxied = leadsTo("10.244.3.5");
    await eventually(() => expect(bench.deliverable).toEqual(announced));
  });
});

describe("it is so no more", () => {
  beforeEach(async () => {
    await bench.delivery.begin();
    await eventually(() => expect(bench.deliverable).toEqual(announced));
    // From here on whoever asks kube-proxy waits for ever.
    bench.proxied = new Error("not to be asked");
  });

  test.each([`${podIp} node-1 terminating`, `${podIp} node-1 unready`, "10.244.2.5 node-2"])(
    "at once, with nothing asked, when its endpoint becomes: %s",
    (words) => {
      const before = bench.reads;
      bench.endpoints(words);
      expect(bench.deliverable).toEqual([]);
      expect(bench.reads).toBe(before);
      expect(bench.changes).toBe(2);
    },
  );

  test("at once when its pod is detached, or its rules are closed", () => {
    bench.inForce = new Map([["cali0", endpoint("closed")]]);
    bench.delivery.podsInForce();
    expect(bench.deliverable).toEqual([]);
  });

  test("another endpoint that kube-proxy leads to takes over without a gap", async () => {
    Object.assign(bench.snapshot, { attachment: snapshotOf(local, [podIp, "10.244.1.6"]).attachment });
    bench.inForce = new Map([
      ["cali0", endpoint("open")],
      ["cali1", { ...endpoint("open", "10.244.1.6"), hostInterface: "cali1" }],
    ]);
    bench.proxied = leadsTo(podIp, "10.244.1.6");
    bench.endpoints(`${podIp} node-1`, "10.244.1.6 node-1");
    await new Promise((resolve) => setImmediate(resolve));
    expect(bench.reads).toBe(2);
    bench.proxied = new Error("not to be asked");
    bench.endpoints(`${podIp} node-1 terminating`, "10.244.1.6 node-1");
    expect(bench.deliverable).toEqual(announced);
    expect(bench.changes).toBe(1);
  });
});

test("before Felix's first pass an attachment is enough: an earlier agent has brought its rules into force", async () => {
  bench.inForce = undefined;
  await bench.delivery.begin();
  await eventually(() => expect(bench.deliverable).toEqual(announced));
});

test("nothing is looked at before it has begun: half of what there is says nothing", async () => {
  bench.delivery.touched(kinds);
  expect(bench.reads).toBe(0);
});

test("without a kube-proxy the rules in force are enough, but not just after a boot, and somebody is told", async () => {
  bench.proxied = undefined;
  bench.uptimeMs = 60_000;
  void bench.delivery.begin();
  await bench.readAgain();
  expect(bench.deliverable).toEqual([]);
  bench.uptimeMs = 121_000;
  await eventually(() => expect(bench.deliverable).toEqual(announced));
  expect(bench.warnings).toEqual([expect.stringContaining("no kube-proxy is found")]);
});

test("rules that cannot be read are asked for again, and hold nothing up for ever", async () => {
  bench.proxied = new Error("iptables is busy");
  void bench.delivery.begin();
  await eventually(() => expect(bench.reads).toBeGreaterThanOrEqual(2));
  await eventually(() => expect(bench.deliverable).toEqual(announced));
  expect(bench.reads).toBe(3);
  expect(bench.warnings).toEqual(["cannot read kube-proxy's rules", expect.stringContaining("cannot be read")]);
});
