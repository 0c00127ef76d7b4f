import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { summariseProfiles } from "../../../bench/profile-summary.ts";

const frame = (functionName: string, url = "", lineNumber = -1) => ({ functionName, url, lineNumber });

const profile = {
  nodes: [
    { id: 1, callFrame: frame("(root)"), children: [2, 3, 6] },
    { id: 2, callFrame: frame("(idle)") },
    { id: 3, callFrame: frame("pass", "file:///margay/src/agent/felix.ts", 9), children: [4] },
    { id: 4, callFrame: frame("spawn", "node:internal/child_process", 355), children: [5] },
    { id: 5, callFrame: frame("writeBuffer") },
    { id: 6, callFrame: frame("spawn", "node:internal/child_process", 355) },
  ],
  samples: [2, 3, 4, 5, 6, 4],
  timeDeltas: [90_000, 1000, 2000, 4000, 8000, 3000],
};

test("a function is told apart by its own callers, has what it called in its total, and idle time is nobody's", async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-profile-"));
  try {
    await writeFile(join(folder, "CPU.1.cpuprofile"), JSON.stringify(profile));
    await writeFile(join(folder, "notes.txt"), "not a profile");
    const lines = (await summariseProfiles(folder)).split("\n").map((line) => line.trim().split(/ {2,}/));
    expect(lines).toEqual([
      ["self ms", "total ms", "function"],
      ["8", "8", "spawn"],
      ["5", "9", "spawn < pass agent/felix.ts:10"],
      ["4", "4", "writeBuffer < pass agent/felix.ts:10"],
      ["1", "10", "pass agent/felix.ts:10"],
      ["0", "108", "(root)"],
    ]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
