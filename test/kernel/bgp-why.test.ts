import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import type { Cause } from "../../src/bgp/why/evidence.ts";
import { explain } from "../../src/bgp/why/explain.ts";
import { gatherEvidence } from "../../src/cli/bgp-evidence.ts";
import { type BgpFault, bgpFaults, threeNodes } from "./bgp-why-faults.ts";
import { BgpWhyLab } from "./bgp-why-lab.ts";

describe("why a session is not up, told from both ends", () => {
  let lab: BgpWhyLab;
  let healing: (() => Promise<unknown>)[] = [];

  beforeAll(async () => {
    lab = await BgpWhyLab.create();
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  async function why(peer?: string): Promise<readonly Cause[]> {
    const begin = performance.now();
    const { evidence } = await gatherEvidence((...asked) => lab.ask(...asked), "node-1", peer);
    const causes = evidence.map(explain);
    for (const { kind, sentence } of causes) {
      process.stdout.write(`  ${Math.round(performance.now() - begin)} ms: ${kind}: ${sentence}\n`);
    }
    return causes;
  }

  async function beginNodes({ cluster = threeNodes, overrides = {}, peer }: Partial<BgpFault>): Promise<void> {
    const nodes = ["node-1", ...(peer !== undefined && peer in cluster.nodes ? [peer] : [])];
    await Promise.all(nodes.map((node) => lab.begin(node, cluster, overrides[node])));
  }

  function eventually(check: () => Promise<void>): Promise<void> {
    return vi.waitFor(check, { timeout: 60_000, interval: 500 });
  }

  async function expectUp(peer: string): Promise<void> {
    await eventually(async () => {
      expect((await why(peer)).map(({ kind }) => kind)).toEqual(["up"]);
    });
  }

  async function heal(): Promise<void> {
    const actions = healing.reverse();
    healing = [];
    for (const action of actions) await action();
    for (const name of ["router", "node-1", "node-2", "node-3"]) await lab.fabric.killBird(lab.hostOf(name));
  }

  test("a session that is up is said to be up, and a second look does not disturb it", async () => {
    await beginNodes({ peer: "node-2" });
    await expectUp("node-2");
    const before = (await lab.ask("node-1", { peers: [] }, 5_000)).sessions[0]?.observed;
    for (let times = 0; times < 5; times++) await why("node-2");
    const after = (await lab.ask("node-1", { peers: [] }, 5_000)).sessions[0];
    expect(after?.observed?.state).toBe("Established");
    // The node's clock is read by the second.
    expect(Math.abs((after?.observed?.since ?? 0) - (before?.since ?? 0))).toBeLessThan(1_500);
    expect(after?.history.filter(({ to }) => to === "Established")).toHaveLength(1);
    await heal();
  });

  test("without a peer there is a sentence for each session that is not up, and for no other", async () => {
    await beginNodes({ peer: "node-2" });
    await expectUp("node-2");
    await eventually(async () => {
      const causes = await why();
      expect(causes.map(({ kind }) => kind)).toEqual(["refused"]);
      expect(causes[0]?.sentence).toContain("node-3 is there, but nothing listens on 172.18.2.2:179");
    });
    await heal();
  });

  test.each(bgpFaults)("$name", async (fault) => {
    try {
      if (fault.whenUp) {
        await beginNodes(fault);
        await expectUp(fault.peer);
      }
      await fault.inject?.(lab, (action) => healing.push(action));
      if (!fault.whenUp) await beginNodes(fault);
      await eventually(() => expectCause(fault));
      for (const node of lab.agents) await lab.restartAgent(node);
      await expectCause(fault);
    } finally {
      await heal();
    }
  });

  async function expectCause({ peer, kind, sentence }: BgpFault): Promise<void> {
    const [cause, ...more] = await why(peer);
    expect(more).toEqual([]);
    expect({ kind: cause?.kind, sentence: cause?.sentence }).toEqual({
      kind,
      sentence: expect.stringMatching(sentence),
    });
  }
});
