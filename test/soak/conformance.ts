/**
 * Runs every case of the policy conformance run with each backend in turn, in one lab. Prints a line for each backend and each case
 * that does not hold; ends non-zero when one does not.
 */
import { removeLab } from "../../lab/state.ts";
import { messageOf } from "../../src/net/message-of.ts";
import { groups } from "../cluster/conformance/cases.ts";
import { runCase } from "../cluster/conformance/run-case.ts";
import { setStage } from "../cluster/conformance/stage.ts";
import { countAsked } from "../cluster/conformance/table.ts";
import { useBackend } from "../cluster/restarts/backends-left.ts";

const name = "conformance-soak";

await using undo = new AsyncDisposableStack();
undo.defer(async () => {
  await removeLab(name);
});
const stage = undo.use(await setStage(name));
for (const backend of ["nftables", "iptables-legacy", "iptables-nft"] as const) {
  await useBackend(stage.lab, backend);
  const figures = countAsked();
  let failed = 0;
  for (const one of Object.values(groups).flat()) {
    try {
      await runCase(stage, one);
    } catch (error) {
      failed++;
      say(`with ${backend}, ${one.name}: ${messageOf(error)}`);
    }
  }
  say(`policy conformance with ${backend}: ${figures()}, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}

// --- internal ---

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
