import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { BgpInputs } from "../../../src/bgp/plan/bgp-inputs.ts";
import type { BirdConfig, Session } from "../../../src/bgp/plan/bird-config.ts";
import { allSessions } from "../../../src/bgp/plan/bird-config.ts";
import type { ObservedSession } from "../../../src/bgp/plan/observed-bgp.ts";
import { planBgp } from "../../../src/bgp/plan/plan-bgp.ts";
import { planTransition } from "../../../src/bgp/plan/transition.ts";
import { clusterProgress } from "../../../src/bgp/plan/transition-progress.ts";
import { hostCidr } from "../../../src/net/cidr.ts";
import { renderBird } from "../../unit/bgp/render-bird.ts";
import { secretsOf, snapshotOf } from "./bgp-snapshot.ts";
import { type BgpWords, bgpWords, hiddenPool, self } from "./random-bgp-objects.ts";

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-bird-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("whatever the objects say, BIRD takes what is planned, and what runs on the way from one plan to another", async () => {
  const seen = { sessions: 0, filters: 0, kept: 0 };
  const up = fc.array(fc.boolean(), { minLength: 8, maxLength: 8 });
  const everything = fc.asyncProperty(bgpWords, bgpWords, up, async (a, b, isUp) => {
    const before = planBgp(inputsOf(a));
    const inputs = inputsOf(b);
    const wanted = planBgp(inputs);
    if (wanted === undefined) return;
    expectSound(wanted);
    const { config } = planTransition({
      ...{ wanted, running: before, observed: before && observedOf(before, isUp), isRecovering: isUp[0] ?? false },
      ...{ cluster: clusterProgress(inputs.snapshot, self), overdue: new Set() },
    });
    expectSound(config);
    seen.sessions += allSessions(config).length;
    seen.filters += config.filters.length;
    seen.kept += allSessions(config).length - allSessions(wanted).length;
    await expectAccepted(config);
  });
  await fc.assert(everything, { numRuns: 100, seed: 8 });
  expect(seen.sessions).toBeGreaterThan(100);
  expect(Math.min(seen.filters, seen.kept)).toBeGreaterThan(10);
}, 120_000);

test("whatever else the objects say, no session comes up without the password that it is asked to have", () => {
  let opened = 0;
  fc.assert(
    fc.property(bgpWords, (words) => {
      const config = planBgp(inputsOf(withPasswords(words)));
      const open = (config ? allSessions(config) : []).filter(({ held }) => held === undefined);
      opened += open.length;
      expect(open.filter(({ password }) => password === undefined)).toEqual([]);
    }),
    { numRuns: 400, seed: 8 },
  );
  expect(opened).toBeGreaterThan(50);
}, 60_000);

// --- internal ---

function inputsOf(words: BgpWords): BgpInputs {
  const secrets = secretsOf(words);
  return { snapshot: snapshotOf(words), node: self, secrets, deliverable: new Set(), isDraining: false };
}

/** Some of the sessions are up, and bring a route each. */
function observedOf(config: BirdConfig, up: readonly boolean[]): ReadonlyMap<Session["neighbor"], ObservedSession> {
  const sessions = allSessions(config).map(({ name, neighbor }, index): ObservedSession => {
    const isUp = up[index % up.length] ?? false;
    return {
      ...{ name, neighbor, state: isUp ? "Established" : "Idle", since: "2026-01-01 00:00:00", lastError: undefined },
      ...{ keepsOurRoutes: isUp, neighborRestarts: false, imported: 1, exported: 1 },
      prefixes: new Set(isUp ? [hostCidr(neighbor)] : []),
    };
  });
  return new Map(sessions.map((session) => [session.neighbor, session]));
}

/** Every BGPPeer asks for one, and the mesh, if it is on; much else may be wrong with both. */
function withPasswords(words: BgpWords): BgpWords {
  const password = { secretKeyRef: { name: "secret-0", key: "k" } };
  const peers = words.peers.map((peer) => ({ password, ...peer }));
  const others = words.configurations.filter(([name]) => name !== "default");
  const [, common = {}] = words.configurations.find(([name]) => name === "default") ?? [];
  return { ...words, peers, configurations: [...others, ["default", { nodeMeshPassword: password, ...common }]] };
}

/** Names are unique, every filter that is named is there, and a pool that is to be hidden is. */
function expectSound({ families, filters }: BirdConfig): void {
  const sessions = families.flatMap((family) => family.sessions);
  expect(new Set(sessions.map(({ name }) => name)).size).toBe(sessions.length);
  expect(new Set(sessions.map(({ neighbor }) => neighbor)).size).toBe(sessions.length);
  const names = new Set(filters.map(({ name }) => name));
  expect(names.size).toBe(filters.length);
  for (const { importFilters, exportFilters } of sessions) {
    for (const name of [...importFilters, ...exportFilters]) expect(names).toContain(name);
  }
  for (const { version, exports } of families) if (version === 4) expect(exports.hidden).toContain(hiddenPool);
}

async function expectAccepted(config: BirdConfig): Promise<void> {
  const path = join(folder, "bird.conf");
  await writeFile(path, renderBird(config));
  await expect(promisify(execFile)("bird", ["-p", "-c", path])).resolves.toBeDefined();
}
