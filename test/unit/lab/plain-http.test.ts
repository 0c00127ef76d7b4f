import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rolldown } from "rolldown";
import { expect, test } from "vitest";
import { plainHttp } from "../../../lab/plain-http.ts";
import { runProgram } from "../../../src/host/run-program.ts";

/** What a module prints once it is bundled. */
async function printed(text: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "margay-plain-http-"));
  try {
    const input = join(folder, "main.mjs");
    await writeFile(input, text);
    const bundle = await rolldown({ input, platform: "node", plugins: [plainHttp] });
    const file = join(folder, "bundle.mjs");
    await bundle.write({ file, format: "esm" });
    await bundle.close();
    return (await runProgram([process.execPath, file])).stdout.trim();
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const loaded = 'process.moduleLoadList.some((name) => name.includes("internal/deps/undici/undici"))';

test("a bundle has what it imports of node:http, and Node loads no second client for it", async () => {
  const names = 'import whole, { Agent, request } from "node:http";';
  const text = await printed(`${names} console.log(Agent === whole.Agent, request === whole.request, ${loaded});`);
  expect(text).toBe("true true false");
});

test("what would load the second client is refused when the bundle is made", async () => {
  await expect(printed('import { WebSocket } from "node:http"; console.log(WebSocket);')).rejects.toThrow("WebSocket");
});
