import { run } from "../../lab/run.ts";
import type { Backend } from "./rig.ts";

/** What starting the backend's program for one change of ten rules takes on the node, beside the rules that are there: milliseconds. */
export async function spawnFloor(netns: string, backend: Backend, count: number): Promise<readonly number[]> {
  const tookMs: number[] = [];
  const enter = ["nsenter", `--net=/run/netns/${netns}`, "--"] as const;
  const programs = { iptables: ["iptables-nft-restore", "--noflush"], nft: ["nft", "-f", "-"] } as const;
  for (let index = 0; index < count; index++) {
    const stdin = backend === "iptables" ? iptablesInput(index) : nftInput(index);
    const begun = performance.now();
    await run([...enter, ...programs[backend]], { stdin });
    tookMs.push(performance.now() - begun);
  }
  const remove =
    backend === "iptables" ? "*filter\n:bench-floor - -\n-X bench-floor\nCOMMIT\n" : "delete table ip bench-floor\n";
  await run([...enter, ...programs[backend]], { stdin: remove });
  return tookMs;
}

// --- internal ---

const rules = Array.from({ length: 10 }, (_, index) => index);

function iptablesInput(port: number): string {
  const lines = rules.map((index) => `-A bench-floor -s 10.0.0.${index} -p tcp --dport ${1000 + port} -j ACCEPT`);
  return `*filter\n:bench-floor - -\n${lines.join("\n")}\nCOMMIT\n`;
}

function nftInput(port: number): string {
  const lines = rules.map(
    (index) => `add rule ip bench-floor ten ip saddr 10.0.0.${index} tcp dport ${1000 + port} accept`,
  );
  return `add table ip bench-floor\nadd chain ip bench-floor ten\nflush chain ip bench-floor ten\n${lines.join("\n")}\n`;
}
