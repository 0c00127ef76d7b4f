/**
 * The machine's door to the lab's API server: listens on a free port of 127.0.0.1 in the machine's namespace, then moves
 * into the lab's and connects from there.
 *   node lab/forwarder.ts NETNS ADDRESS PORT PORT_FILE      the port it listens on is written to PORT_FILE
 */
import { openSync, renameSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { pipeline } from "node:stream/promises";
import { enterNetns } from "../src/host/libc.ts";

const [netns = "", address = "", port = "", portFile = ""] = process.argv.slice(2);

const server = createServer((caller) => {
  const callee = connect(Number(port), address);
  const ends = [pipeline(caller, callee), pipeline(callee, caller)];
  Promise.all(ends).catch((error: Error) => process.stderr.write(`cut: ${error.message}\n`));
});
server.listen(0, "127.0.0.1", () => {
  // A socket belongs for good to the namespace that it was made in: this one is made, all later ones are the lab's.
  enterNetns(openSync(`/run/netns/${netns}`, "r"));
  writeFileSync(`${portFile}.new`, `${(server.address() as AddressInfo).port}\n`);
  renameSync(`${portFile}.new`, portFile);
});
