import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const main = join(import.meta.dirname, "../../../bench/main.ts");

test.each([
  [["nothing-like-it"], 'there is none of the name "nothing-like-it"'],
  [["toString"], 'there is none of the name "toString"'],
  [[], "0 names were given"],
  [["ipam", "ipam"], "2 names were given"],
  [["ipam", "--fast"], "Unknown option '--fast'"],
])("bench %j says what it does not understand, and which benchmarks there are", async (argv, why) => {
  const failed = promisify(execFile)(process.execPath, [main, ...argv]);
  await expect(failed).rejects.toMatchObject({
    code: 2,
    stdout: "",
    stderr: expect.stringMatching(/^Cannot run a benchmark: .*Name one of: bgp, cni, ipam, policy, programming; /),
  });
  await expect(failed).rejects.toMatchObject({ stderr: expect.stringContaining(why) });
});

test("bench --help says how it is run", async () => {
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [main, "--help"]);
  expect(stdout).toMatch(
    /^npm run --silent bench -- NAME \[--quick\] \[--json\] +NAME: bgp, cni, ipam, policy, programming\n/,
  );
  expect(stderr).toBe("");
});
