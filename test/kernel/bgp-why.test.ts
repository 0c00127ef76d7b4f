import { describe, expect, test, vi } from "vitest";
import type { Cause } from "../../src/bgp/why/evidence.ts";
import { explain } from "../../src/bgp/why/explain.ts";
import { gatherEvidence } from "../../src/cli/bgp-evidence.ts";
import { type BgpFault, bgpFaults, threeNodes } from "./bgp-why-faults.ts";
import { BgpWhyLab } from "./bgp-why-lab.ts";

// Each has a lab of its own, and mostly waits: for timers of BGP, and for packets that do not come.
describe.concurrent("why a session is not up, told from both ends", () => {
  test("a session that is up is said to be up, and a second look does not disturb it", async () => {
    await using lab = await BgpWhyLab.create();
    await beginNodes(lab, { peer: "node-2" });
    await expectUp(lab, "node-2");
    for (let times = 0; times < 5; times++) await why(lab, "node-2");
    const after = (await lab.ask("node-1", { peers: [] }, 5_000)).sessions[0];
    expect(after?.observed?.state).toBe("Established");
    // One that was lost meanwhile would have come up a second time.
    expect(after?.history.filter(({ to }) => to === "Established")).toHaveLength(1);
  });

  test("without a peer there is a sentence for each session that is not up, and for no other", async () => {
    await using lab = await BgpWhyLab.create();
    await beginNodes(lab, { peer: "node-2" });
    await expectUp(lab, "node-2");
    await eventually(async () => {
      const causes = await why(lab);
      expect(causes.map(({ kind }) => kind)).toEqual(["refused"]);
      expect(causes[0]?.sentence).toContain("node-3 is there, but nothing listens on 172.18.2.2:179");
    });
  });

  test.each(bgpFaults)("$name", async (fault) => {
    await using lab = await BgpWhyLab.create();
    if (fault.whenUp) {
      await beginNodes(lab, fault);
      await expectUp(lab, fault.peer);
    }
    await fault.inject?.(lab);
    if (!fault.whenUp) await beginNodes(lab, fault);
    await eventually(() => expectCause(lab, fault));
    for (const node of lab.agents) await lab.restartAgent(node);
    await expectCause(lab, fault);
  });
});

// --- internal ---

async function why(lab: BgpWhyLab, peer?: string): Promise<readonly Cause[]> {
  const begin = performance.now();
  const { evidence } = await gatherEvidence((...asked) => lab.ask(...asked), "node-1", peer);
  const causes = evidence.map(explain);
  for (const { kind, sentence } of causes) {
    process.stdout.write(`  ${Math.round(performance.now() - begin)} ms: ${kind}: ${sentence}\n`);
  }
  return causes;
}

async function beginNodes(
  lab: BgpWhyLab,
  { cluster = threeNodes, overrides = {}, peer }: Partial<BgpFault>,
): Promise<void> {
  const nodes = ["node-1", ...(peer !== undefined && peer in cluster.nodes ? [peer] : [])];
  await Promise.all(nodes.map((node) => lab.begin(node, cluster, overrides[node])));
}

async function expectUp(lab: BgpWhyLab, peer: string): Promise<void> {
  await eventually(async () => {
    expect((await why(lab, peer)).map(({ kind }) => kind)).toEqual(["up"]);
  });
}

async function expectCause(lab: BgpWhyLab, { peer, kind, sentence }: BgpFault): Promise<void> {
  const [cause, ...more] = await why(lab, peer);
  expect(more).toEqual([]);
  expect({ kind: cause?.kind, sentence: cause?.sentence }).toEqual({
    kind,
    sentence: expect.stringMatching(sentence),
  });
}

function eventually(check: () => Promise<void>): Promise<void> {
  return vi.waitFor(check, { timeout: 60_000, interval: 500 });
}
