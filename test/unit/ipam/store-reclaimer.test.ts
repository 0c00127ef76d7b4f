import { beforeEach, describe, expect, test } from "vitest";
import { reserveHandle } from "../../../src/api/ipam-block.ts";
import type { NodeName } from "../../../src/api/names.ts";
import { allocationOf, assignFromBlock } from "../../../src/ipam/block.ts";
import { handleRecord } from "../../../src/ipam/handle-records.ts";
import type { AddressRelease, ReleaseAnswer } from "../../../src/ipam/reclaimer.ts";
import { releasesOf } from "../../../src/ipam/release-journal.ts";
import { StoreReclaimer } from "../../../src/ipam/store-reclaimer.ts";
import type { Cidr } from "../../../src/net/cidr.ts";
import { compareText } from "../../../src/net/compare-text.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { FakeIpamStore, type Fault } from "../../fakes/ipam-store.ts";
import { AllocatorBench, many } from "./allocator-bench.ts";
import { configuration, instantClock, node, pool, request } from "./samples.ts";

let bench: AllocatorBench;
let calls: string[];

beforeEach(() => {
  bench = new AllocatorBench();
  bench.pools();
  calls = [];
});

function reclaimer(fault?: Fault): StoreReclaimer {
  const logged: Fault = async (call) => {
    calls.push(call);
    return fault?.(call) ?? {};
  };
  return new StoreReclaimer({ store: new FakeIpamStore(bench.cluster, logged), clock: instantClock });
}

/** Fails at the nth write. */
function crashAt(nth: number): Fault {
  let writes = 0;
  return async (call) => {
    if (/put|remove/.test(call) && writes++ === nth) throw new Error("crashed");
    return {};
  };
}

function releaseOf(ip: Ip, why = "pod gone"): AddressRelease {
  const found = [...bench.cluster.blocks.values()].map(({ value }) => allocationOf(value, ip)).find(Boolean);
  return { ip, handle: found?.attribute.handle_id, sequenceNumber: found?.sequenceNumber, why };
}

async function give(count: number): Promise<readonly Ip[]> {
  const ipam = bench.allocator();
  const given = await Promise.all(many(count).map((handle) => ipam.assign(request(handle))));
  return given.flat().map(({ ip }) => ip);
}

function byIp(one: { readonly ip: Ip }, other: { readonly ip: Ip }): number {
  return compareText(one.ip, other.ip);
}

function blockOf(ip: Ip): Cidr {
  return [...bench.cluster.blocks.values()].find(({ value }) => allocationOf(value, ip))?.value.spec.cidr as Cidr;
}

describe("what a node holds for pods to come", () => {
  const handle = reserveHandle(node);

  async function hold(): Promise<readonly Ip[]> {
    const [ip] = await give(1);
    const [cidr, stored] = [...bench.cluster.blocks][0] ?? [];
    if (ip === undefined || cidr === undefined || stored === undefined) throw new Error("there is no block");
    const { block, ips } = assignFromBlock(stored.value, { handle, count: 3, attributes: { node } });
    bench.cluster.blocks.set(cidr, { ...stored, value: block });
    return ips;
  }

  test("has no record after some of it was freed either", async () => {
    const [first = "" as Ip] = await hold();
    expect(await reclaimer().releaseAddresses([releaseOf(first)])).toEqual([{ ip: first, outcome: "released" }]);
    expect([...bench.cluster.handles.keys()]).not.toContain(handle);
  });

  test("loses a record that somebody has made", async () => {
    await hold();
    const record = handleRecord(handle, []);
    const store = new FakeIpamStore(bench.cluster, async () => ({}));
    await store.handles.put(handle, record, undefined);
    await reclaimer().repairHandles([handle]);
    expect([...bench.cluster.handles.keys()]).not.toContain(handle);
  });
});

describe("releaseAddresses", () => {
  test("writes each block once, then the records, and journals who held what", async () => {
    const ips = await give(10);
    const answers = await reclaimer().releaseAddresses(ips.map((ip) => releaseOf(ip)));
    expect(answers).toEqual(ips.map((ip) => ({ ip, outcome: "released" })));
    const writes = calls.filter((call) => /put|remove/.test(call));
    expect(writes).toEqual(["blocks put", "blocks put", ...Array(10).fill("handles remove")]);
    expect([bench.held(), bench.cluster.handles.size]).toEqual([[], 0]);
    const journals = [...bench.cluster.blocks.values()].flatMap(({ value }) => releasesOf(value));
    expect(journals.map(({ pod }) => pod).toSorted()).toEqual(many(10).map((name) => `default/${name}`));
    expect(new Set(journals.map(({ why }) => why))).toEqual(new Set(["pod gone"]));
  });

  test("tells of what was freed though another block's write fails", async () => {
    const releases = (await give(10)).map((ip) => releaseOf(ip));
    const heard: ReleaseAnswer[] = [];
    const crashing = reclaimer(crashAt(1)).releaseAddresses(releases, undefined, (answers) => heard.push(...answers));
    await expect(crashing).rejects.toThrow("crashed");
    const freed = releases.filter(({ ip }) => blockOf(ip) === undefined);
    expect(freed.length).toBeGreaterThan(0);
    expect(heard.toSorted(byIp)).toEqual(freed.map(({ ip }) => ({ ip, outcome: "released" as const })).toSorted(byIp));
  });

  test("keeps an address that was given anew meanwhile, and its record", async () => {
    const [ip] = (await give(1)) as [Ip];
    const stale = releaseOf(ip);
    await reclaimer().releaseAddresses([stale]);
    await bench.allocator().assign(request("new", { v4: 0, addresses: [ip] }));
    expect(await reclaimer().releaseAddresses([stale])).toEqual([{ ip, outcome: "changed" }]);
    expect([bench.held(), [...bench.cluster.handles.keys()]]).toEqual([["new"], ["new"]]);
  });

  test("leaves the rest of a handle its record", async () => {
    const given = await bench.allocator().assign(request("a", { v4: 3 }));
    const block = given[0]?.block as Cidr;
    await reclaimer().releaseAddresses([releaseOf(given[0]?.ip as Ip)]);
    expect(bench.cluster.handles.get("a")?.value.spec.block).toEqual({ [block]: 2 });
  });

  test("an address in no block is free; so is one in a pool that has none there", async () => {
    const ips = ["10.0.0.3", "192.0.2.1", "2001:db8::1"] as Ip[];
    const answers = await reclaimer().releaseAddresses(ips.map((ip) => releaseOf(ip)));
    expect(answers.map(({ outcome }) => outcome)).toEqual(["free", "free", "free"]);
  });

  test("finds addresses whose pool is gone, and in blocks of another size than the pool's", async () => {
    const ips = await give(3);
    bench.pools(pool("p", { cidr: "10.0.0.0/28", blockSize: 30 }));
    await reclaimer().releaseAddresses([releaseOf(ips[0] as Ip)]);
    bench.cluster.pools = [];
    await reclaimer().releaseAddresses([releaseOf(ips[1] as Ip)]);
    expect(bench.held()).toEqual(["pod-2"]);
  });

  test("loses races and begins anew; after too many it says so", async () => {
    const [ip] = (await give(1)) as [Ip];
    let races = 3;
    const racing: Fault = async (call) => {
      if (call === "blocks put" && races-- > 0) bench.changeBlocks((block) => block);
      return {};
    };
    expect(await reclaimer(racing).releaseAddresses([releaseOf(ip)])).toEqual([{ ip, outcome: "released" }]);
    const [other] = (await give(1)) as [Ip];
    races = Number.POSITIVE_INFINITY;
    await expect(reclaimer(racing).releaseAddresses([releaseOf(other)])).rejects.toThrow(
      /^Cannot free addresses of block 10\.0\.0\.\d\/29: others changed the same objects first, 100 times in a row/,
    );
  });

  test.each([0, 1, 2, 3])("a crash before write %i is finished by doing it again", async (nth) => {
    const ips = await give(10);
    const releases = ips.map((ip) => releaseOf(ip));
    await reclaimer(crashAt(nth))
      .releaseAddresses(releases)
      .catch(() => {});
    await reclaimer().releaseAddresses(releases);
    expect([bench.held(), bench.cluster.handles.size]).toEqual([[], 0]);
  });

  test("with a cooldown the addresses rest, until endCooldowns finds their time over", async () => {
    bench.cluster.configuration = configuration({ ipCooldownSeconds: 60 });
    const [ip] = (await give(1)) as [Ip];
    const cidr = blockOf(ip);
    await reclaimer().releaseAddresses([releaseOf(ip)]);
    await reclaimer().endCooldowns(cidr);
    expect(bench.cluster.blocks.get(cidr)?.value.spec.attributes).toEqual([{ releasedAt: "2026-11-21T10:00:00Z" }]);
    const later = { ...instantClock, now: () => instantClock.now() + 61_000 };
    await new StoreReclaimer({ store: new FakeIpamStore(bench.cluster), clock: later }).endCooldowns(cidr);
    expect(bench.cluster.blocks.get(cidr)?.value.spec).toMatchObject({ attributes: [], unallocated: { length: 8 } });
  });
});

describe("repairHandles", () => {
  test("makes, corrects and removes a record by what the blocks say", async () => {
    const [ip] = (await give(2)) as [Ip];
    const right = bench.cluster.handles.get("pod-0");
    bench.cluster.handles.delete("pod-0");
    await reclaimer().repairHandles(["pod-0"]);
    expect(bench.cluster.handles.get("pod-0")?.value).toEqual(right?.value);
    const wrong = { ...bench.cluster.handles.get("pod-1") } as NonNullable<typeof right>;
    const spec = { ...wrong.value.spec, block: { ...wrong.value.spec.block, "10.9.0.0/29": 4 } };
    bench.cluster.handles.set("pod-1", { value: { ...wrong.value, spec }, revision: bench.cluster.nextRevision() });
    await reclaimer().repairHandles(["pod-1"]);
    expect(bench.cluster.handles.get("pod-1")?.value).toEqual(wrong.value);
    await reclaimer().releaseAddresses([{ ...releaseOf(ip) }]);
    bench.cluster.handles.set("pod-0", right as NonNullable<typeof right>);
    await reclaimer().repairHandles(["pod-0"]);
    expect([...bench.cluster.handles.keys()]).toEqual(["pod-1"]);
  });

  test("lists the blocks once for all, and looks where the record and the list say", async () => {
    await give(16);
    const right = new Map([...bench.cluster.handles].map(([handle, { value }]) => [handle, value]));
    bench.cluster.handles.clear();
    calls = [];
    await reclaimer().repairHandles([...right.keys()]);
    expect(new Map([...bench.cluster.handles].map(([handle, { value }]) => [handle, value]))).toEqual(right);
    expect(calls.filter((call) => call.endsWith("list"))).toEqual(["blocks list"]);
    await reclaimer().repairHandles([]);
    expect(calls.filter((call) => call.endsWith("list"))).toEqual(["blocks list"]);
  });

  test("is not misled by an address that is given out after the list was made", async () => {
    await give(1);
    const late: Fault = async (call) => {
      if (call === "handles get" && bench.cluster.handles.size === 1) await bench.allocator().assign(request("pod-9"));
      return {};
    };
    await reclaimer(late).repairHandles(["pod-9", "pod-0"]);
    expect([...bench.cluster.handles.keys()]).toEqual(["pod-0", "pod-9"]);
  });

  test("corrects the others when one fails", async () => {
    await give(3);
    bench.cluster.handles.clear();
    let isFirst = true;
    const fault: Fault = async (call) => {
      if (call !== "handles put" || !isFirst) return {};
      isFirst = false;
      throw new Error("no answer");
    };
    await expect(reclaimer(fault).repairHandles(["pod-0", "pod-1", "pod-2"])).rejects.toThrow("no answer");
    expect(bench.cluster.handles.size).toBe(2);
  });

  test("writes nothing when all is well, or the handle unknown", async () => {
    await give(1);
    await reclaimer().repairHandles(["pod-0"]);
    await reclaimer().repairHandles(["unknown"]);
    expect(calls.filter((call) => /put|remove/.test(call))).toEqual([]);
  });
});

describe("an aborted signal", () => {
  const works: Readonly<Record<string, (signal: AbortSignal) => Promise<unknown>>> = {
    releaseAddresses: async (signal) => {
      const releases = (await give(16)).map((ip) => releaseOf(ip));
      return reclaimer(abortAtWrite).releaseAddresses(releases, signal);
    },
    releaseBlock: async (signal) => {
      const [ip] = (await give(1)) as [Ip];
      const block = { cidr: blockOf(ip), node: node as NodeName, evenIfUsed: true };
      return reclaimer(abortAtWrite).releaseBlock(block, signal);
    },
    deleteOrphan: async (signal) => {
      const [ip] = (await give(1)) as [Ip];
      await reclaimer().releaseBlock({ cidr: blockOf(ip), node: node as NodeName, evenIfUsed: true });
      const cidr = blockOf(ip);
      await reclaimer().releaseAddresses([releaseOf(ip)]);
      calls = [];
      return reclaimer(abortAtRead).deleteOrphan(cidr, signal);
    },
    repairHandles: async (signal) => {
      await give(16);
      bench.cluster.handles.clear();
      return reclaimer(abortAtWrite).repairHandles(
        [...Array(16).keys()].map((index) => `pod-${index}`),
        signal,
      );
    },
    endCooldowns: async (signal) => {
      bench.cluster.configuration = configuration({ ipCooldownSeconds: 60 });
      const [ip] = (await give(1)) as [Ip];
      const cidr = blockOf(ip);
      await reclaimer().releaseAddresses([releaseOf(ip)]);
      bench.cluster.configuration = undefined;
      calls = [];
      return reclaimer(abortAtRead).endCooldowns(cidr, signal);
    },
  };
  let lost: AbortController;

  beforeEach(() => {
    lost = new AbortController();
  });

  const abortAtWrite: Fault = async (call) => {
    if (/put|remove/.test(call)) lost.abort(new Error("leads no more"));
    return {};
  };
  const abortAtRead: Fault = async (call) => {
    if (call === "blocks get") lost.abort(new Error("leads no more"));
    return {};
  };

  test.each(Object.keys(works))("stops %s before the next call", async (name) => {
    await expect(works[name]?.(lost.signal)).rejects.toThrow("leads no more");
    expect(calls.filter((call) => /put|remove/.test(call)).length).toBeLessThanOrEqual(1);
  });
});

test("what others put into a block during the release stays", async () => {
  const [ip] = (await give(1)) as [Ip];
  const cidr = blockOf(ip);
  let once = true;
  const busy: Fault = async (call) => {
    const stored = bench.cluster.blocks.get(cidr);
    if (call === "blocks put" && once && stored !== undefined) {
      once = false;
      const { block } = assignFromBlock(stored.value, { handle: "theirs", count: 1, attributes: {} });
      bench.cluster.blocks.set(cidr, { value: block, revision: bench.cluster.nextRevision() });
    }
    return {};
  };
  await reclaimer(busy).releaseAddresses([releaseOf(ip)]);
  expect(bench.held()).toEqual(["theirs"]);
  expect(await reclaimer().releaseBlock({ cidr, node: node as NodeName, evenIfUsed: false })).toBe("kept");
});
