import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TokenBucket, TrafficControl } from "../../src/host/netlink/traffic-control.ts";
import { type NetlinkSide, upLink } from "./netlink-bench.ts";

/** A namespace with its traffic control and an independent reader and writer (`tc`). Disposed of after each test. */
export interface TrafficBench extends Disposable {
  readonly side: NetlinkSide;
  readonly control: TrafficControl;
  tc(...args: readonly string[]): string;
}

const bucket: TokenBucket = { rate: 1_000_000, burst: 125_000, limit: 131_072 };
const handle = 0xca11_0000;

/** What every `TrafficControl` promises. */
export function trafficControlContract(makeBench: () => TrafficBench): void {
  let bench: TrafficBench;
  let link: number;
  let ifb: number;
  beforeEach(async () => {
    bench = makeBench();
    link = await upLink(bench.side);
    await bench.side.netlink.createIfb({ name: "ifb9", mtu: 1500, queueLength: 1000 });
    ifb = (await bench.side.netlink.link("ifb9"))?.index ?? 0;
  });
  afterEach(() => bench[Symbol.dispose]());

  const rootOf = async (index: number) =>
    (await bench.control.qdiscs()).find(({ linkIndex, place }) => linkIndex === index && place === "root");

  describe("token buckets", () => {
    test("are set as tc reads them, and read as they were set", async () => {
      await bench.control.setTokenBucket(link, handle, bucket);
      const [, said] = /qdisc tbf ca11: root refcnt \d+ (.*)/.exec(bench.tc("qdisc", "show", "dev", "a")) ?? [];
      // 131072 bytes wait 6 ms at 8 Mbit beyond the 125 ms that the burst lasts.
      expect(said).toMatch(/^rate 8Mbit burst 125000b lat 6(.07)?ms/);
      expect(await rootOf(link)).toEqual({ linkIndex: link, place: "root", kind: "tbf", handle, bucket });
    });

    test("change in place, and keep what waits", async () => {
      await bench.control.setTokenBucket(link, handle, bucket);
      const peaked = { ...bucket, rate: 2_500_000, peakRate: 5_000_000, minBurst: 2_000 };
      await bench.control.setTokenBucket(link, handle, peaked);
      expect(bench.tc("qdisc", "show", "dev", "a")).toMatch(/tbf ca11: root .*rate 20Mbit .*peakrate 40Mbit/);
      expect((await rootOf(link))?.bucket).toEqual(peaked);
      await bench.control.setTokenBucket(link, handle, bucket);
      expect((await rootOf(link))?.bucket).toEqual(bucket);
    });

    test("may be quicker than 32 bits can say", async () => {
      const quick = { rate: 1.25e14, burst: 0xffffffff, limit: 0xffffffff, peakRate: 1.26e14, minBurst: 1e8 };
      await bench.control.setTokenBucket(link, handle, quick);
      expect(bench.tc("qdisc", "show", "dev", "a")).toMatch(/rate (1P|1000T)bit .* peakrate 1008Tbit/);
      expect((await rootOf(link))?.bucket).toMatchObject({ rate: 1.25e14, peakRate: 1.26e14, limit: 0xffffffff });
    });

    test("of others are neither replaced nor deleted", async () => {
      bench.tc(..."qdisc add dev a root handle 1: tbf rate 1mbit burst 10k limit 10k".split(" "));
      await expect(bench.control.setTokenBucket(link, handle, bucket)).rejects.toMatchObject({ code: "EEXIST" });
      await bench.control.deleteRoot(link, handle);
      expect(bench.tc("qdisc", "show", "dev", "a")).toContain("tbf 1: root");
    });

    test("are deleted, also when they are not there", async () => {
      await bench.control.setTokenBucket(link, handle, bucket);
      for (let round = 0; round < 2; round++) await bench.control.deleteRoot(link, handle);
      expect(bench.tc("qdisc", "show", "dev", "a")).toMatch(/^qdisc noqueue 0: root/);
      await bench.control.deleteRoot(999, handle);
      await expect(bench.control.setTokenBucket(999, handle, bucket)).rejects.toMatchObject({ code: "ENODEV" });
    });
  });

  describe("the ingress", () => {
    test("is redirected whole", async () => {
      await bench.control.redirectIngress(link, ifb);
      expect(bench.tc("filter", "show", "dev", "a", "ingress")).toMatch(
        /protocol all pref 1 u32 [\s\S]*match 00000000\/00000000 at 0\s+action order 1: mirred \(Egress Redirect to device ifb9\) stolen/,
      );
      expect(await bench.control.ingressFilters(link)).toEqual([{ kind: "u32", redirectsTo: ifb }]);
      expect(await bench.control.qdiscs()).toContainEqual({
        ...{ linkIndex: link, place: "ingress", kind: "ingress", handle: 0xffff0000 },
      });
      await expect(bench.control.redirectIngress(link, ifb)).rejects.toMatchObject({ code: "EEXIST" });
    });

    test("of somebody else takes a redirect too", async () => {
      bench.tc("qdisc", "add", "dev", "a", "ingress");
      expect(await bench.control.ingressFilters(link)).toEqual([]);
      await bench.control.addRedirect(link, ifb);
      expect(await bench.control.ingressFilters(link)).toEqual([{ kind: "u32", redirectsTo: ifb }]);
    });

    test("may have filters that redirect nowhere", async () => {
      bench.tc("qdisc", "add", "dev", "a", "ingress");
      bench.tc(..."filter add dev a parent ffff: protocol ip pref 3 u32 match u32 0 0 flowid 1:1".split(" "));
      bench.tc(
        ..."filter add dev a parent ffff: protocol ip pref 4 u32 match u32 0 0 action mirred egress mirror dev ifb9".split(
          " ",
        ),
      );
      expect(await bench.control.ingressFilters(link)).toEqual([
        { kind: "u32", redirectsTo: undefined },
        { kind: "u32", redirectsTo: undefined },
      ]);
    });

    test("goes with its filters, also when it is not there", async () => {
      await bench.control.redirectIngress(link, ifb);
      for (let round = 0; round < 2; round++) await bench.control.deleteIngress(link);
      expect(bench.tc("qdisc", "show", "dev", "a")).not.toContain("ingress");
      expect(await bench.control.ingressFilters(link)).toEqual([]);
      await bench.control.deleteIngress(999);
      await expect(bench.control.redirectIngress(999, ifb)).rejects.toMatchObject({ code: "ENODEV" });
    });
  });
}
