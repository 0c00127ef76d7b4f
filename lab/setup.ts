/** `node lab/setup.ts`: makes sure that the Kubernetes, etcd and CNI programs are there, building them once where needed. */
import { buildMissing } from "./build.ts";

await buildMissing((line) => process.stdout.write(`setup: ${line}\n`)).catch((error: Error) => {
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
});
