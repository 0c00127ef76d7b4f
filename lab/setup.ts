/** `node lab/setup.ts`: makes sure that the Kubernetes, etcd and CNI programs are there, and the command line's bundle, each built where needed. */
import { messageOf } from "../src/net/message-of.ts";
import { buildMissing } from "./build.ts";
import { bundleCli } from "./bundle.ts";

const say = (line: string) => void process.stdout.write(`setup: ${line}\n`);

await bundleCli(say).catch((error: unknown) =>
  say(`no bundle, so the command line runs from src: ${messageOf(error)}`),
);
await buildMissing(say).catch((error: Error) => {
  process.stderr.write(`setup: ${error.message}\n`);
  process.exitCode = 1;
});
