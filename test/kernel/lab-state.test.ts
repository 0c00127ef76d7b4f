import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { run } from "../../lab/run.ts";
import { removeLab } from "../../lab/state.ts";

const names = ["labrace-a", "labrace-b"];
const lab = join(import.meta.dirname, "..", "..", "lab");

afterEach(async () => {
  for (const name of names) await removeLab(name);
});

/** Records and removes a lab many times in a process of its own, and prints what went wrong. */
function comeAndGo(name: string): Promise<string> {
  const script = `
    const { layoutOf } = await import(${JSON.stringify(join(lab, "layout.ts"))});
    const { recordLab, removeLab } = await import(${JSON.stringify(join(lab, "state.ts"))});
    for (let round = 0; round < 100; round++) {
      try {
        await recordLab(layoutOf(${JSON.stringify(name)}, 1));
        await removeLab(${JSON.stringify(name)});
      } catch (error) {
        console.log(error.message);
      }
    }`;
  return run([process.execPath, "--input-type=module", "-e", script], { timeoutMs: 110_000 });
}

test("labs that come and go at the same time do not take the folder above from each other", async () => {
  expect(await Promise.all(names.map(comeAndGo))).toEqual(["", ""]);
});
