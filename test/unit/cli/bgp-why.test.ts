import { describe, expect, test } from "vitest";
import type { BgpSide } from "../../../src/api/bgp-probe.ts";
import { explain } from "../../../src/bgp/why/explain.ts";
import { type AskBgp, gatherEvidence, NoSuchNodeError } from "../../../src/cli/bgp-evidence.ts";
import { formatCauses } from "../../../src/cli/bgp-why.ts";
import { downEvidence, evidenceOf, sideOf } from "../bgp/why-evidence.ts";

/** Answers as those nodes' agents would, and remembers who was asked about whom. */
function asking(sides: Readonly<Record<string, BgpSide | undefined>>) {
  const asked: string[] = [];
  const ask: AskBgp = async (node, { peers }) => {
    if (peers.length > 0) asked.push(`${node}: ${peers.join(" ")}`);
    if (!(node in sides)) throw new NoSuchNodeError(`there is no node ${node}`);
    const side = sides[node];
    if (side === undefined) throw new Error(`the agent of ${node} does not answer`);
    return side;
  };
  return { ask, asked };
}

const down = downEvidence();
const up = evidenceOf();

describe("gathering the evidence", () => {
  test("both ends are probed, each for the other's address", async () => {
    const { ask, asked } = asking({ "node-1": sideOf(down.here), "node-2": sideOf(down.there) });
    const { evidence } = await gatherEvidence(ask, "node-1", "node-2");
    expect(asked.toSorted()).toEqual(["node-1: 172.18.1.3", "node-2: 172.18.1.2"]);
    expect(evidence).toEqual([down]);
    expect((await gatherEvidence(ask, "node-1", "172.18.1.3")).evidence).toEqual([down]);
  });

  test("without a peer those that are up are counted, and not disturbed", async () => {
    const { ask, asked } = asking({ "node-1": sideOf(up.here), "node-2": sideOf(up.there) });
    expect(await gatherEvidence(ask, "node-1")).toEqual({ evidence: [], up: 1 });
    expect(asked).toEqual([]);
    const { ask: askDown } = asking({ "node-1": sideOf(down.here), "node-2": sideOf(down.there) });
    expect(await gatherEvidence(askDown, "node-1")).toEqual({ evidence: [down], up: 0 });
  });

  test("an end that does not answer is no evidence, and the other end tells what it can", async () => {
    const { ask } = asking({ "node-1": sideOf(down.here), "node-2": undefined });
    const [far] = (await gatherEvidence(ask, "node-1", "node-2")).evidence;
    expect(far?.there).toMatchObject({
      name: "node-2",
      side: undefined,
      silence: "the agent of node-2 does not answer",
    });
    const { ask: askFar } = asking({ "node-1": undefined, "node-2": sideOf(down.there) });
    const [near] = (await gatherEvidence(askFar, "node-1", "node-2")).evidence;
    expect(near?.here).toMatchObject({ name: "node-1", side: undefined });
    expect(near?.there.session?.probe).toBeDefined();
  });

  test("who asks for a node that is not there is told so", async () => {
    const { ask } = asking({ "node-1": sideOf(down.here) });
    await expect(gatherEvidence(ask, "node-9")).rejects.toThrow("there is no node node-9");
    await expect(gatherEvidence(ask, "node-1", "node-9")).rejects.toThrow("there is no node node-9");
    await expect(gatherEvidence(asking({ "node-1": undefined }).ask, "node-1")).rejects.toThrow(
      "Cannot tell why: the agent",
    );
  });

  test("two nodes that are not asked to peer are told so", async () => {
    const sides = [down.here, down.there].map((end) => ({ ...sideOf(end), sessions: [], isMeshEnabled: false }));
    const { ask } = asking({ "node-1": sides[0], "node-2": sides[1] });
    const [evidence] = (await gatherEvidence(ask, "node-1", "node-2")).evidence;
    expect(evidence && explain(evidence)).toMatchObject({ kind: "not-wanted" });
    const [stranger] = (await gatherEvidence(ask, "node-1", "203.0.113.9")).evidence;
    expect(stranger && explain(stranger).sentence).toMatch(/^node-1 and 203\.0\.113\.9 do not peer: no session/);
  });
});

describe("the text", () => {
  const cause = explain(down);

  test("of one session has its facts beneath", () => {
    const lines = formatCauses([cause], { up: 0 }, true).trimEnd().split("\n");
    expect(lines[0]).toBe(cause.sentence);
    expect(lines.slice(1)).toEqual(cause.details.map((detail) => `  ${detail}`));
    expect(lines.length).toBeGreaterThan(4);
  });

  test("of all sessions is a sentence each", () => {
    expect(formatCauses([cause], { up: 3 }, false)).toBe(`${cause.sentence}\nThe other 3 sessions are up\n`);
    expect(formatCauses([], { up: 4 }, false)).toBe("All 4 sessions are up\n");
    expect(formatCauses([], { up: 0 }, false)).toBe("No session is asked for: no other node, no BGPPeer\n");
  });
});
