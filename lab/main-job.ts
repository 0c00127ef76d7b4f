/** What the lab shows a newcomer: pods that reach each other over BGP routes, and policies that cut what they should. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Lab, Progress } from "./cluster.ts";
import { parseExpectedMatrix } from "./expected-matrix.ts";
import { differencesOf, formatMatrix, verdictIn } from "./format-matrix.ts";
import { type Matrix, measureMatrix } from "./matrix.ts";
import { showNetwork } from "./show-network.ts";

export interface MainJobOptions {
  readonly progress: Progress;
  /** Takes what a person is to read. */
  readonly print: (text: string) => void;
}

const examples = join(import.meta.dirname, "..", "manifests", "examples");
const namespaces = ["shop", "monitoring", "guest"];
/** Policies and routes travel: a matrix is taken again until it is as it should be, or this time has passed. */
const patienceMs = 30_000;

/** Runs it in a lab that is up. Resolves to whether both matrices were as they should be. */
export async function runMainJob(lab: Lab, { progress, print }: MainJobOptions): Promise<boolean> {
  progress("applying manifests/examples/workloads.yaml");
  await lab.kubectl(["apply", "--server-side", "-f", join(examples, "workloads.yaml")]);
  await Promise.all(
    namespaces.map((namespace) =>
      lab.kubectl([
        "wait",
        "--for=condition=Available",
        "deployment",
        "--all",
        `--namespace=${namespace}`,
        "--timeout=90s",
      ]),
    ),
  );
  progress("asking from every pod to every pod");
  const open = () => "+" as const;
  const before = await settle(lab, (matrix) => differencesOf(matrix, open));
  print(`\nWho reaches whom, without policies:\n\n${formatMatrix(before.matrix)}${listed(before.differences)}`);
  progress("applying manifests/examples/policies.yaml");
  await lab.kubectl(["apply", "--server-side", "-f", join(examples, "policies.yaml")]);
  const after = await checkPolicies(lab, print);
  print(await showNetwork(lab));
  return before.differences.length === 0 && after;
}

/** Measures the matrix and prints it beside the expected one. Resolves to whether they are equal. */
export async function checkPolicies(lab: Lab, print: MainJobOptions["print"]): Promise<boolean> {
  const expected = verdictIn(parseExpectedMatrix(await readFile(join(examples, "expected-matrix.txt"), "utf8")));
  const { matrix, differences } = await settle(lab, (one) => differencesOf(one, expected));
  print(`\nWho reaches whom, with policies:\n\n${formatMatrix(matrix, expected)}${listed(differences)}`);
  return differences.length === 0;
}

// --- internal ---

interface Settled {
  readonly matrix: Matrix;
  readonly differences: readonly string[];
}

async function settle(lab: Lab, differ: (matrix: Matrix) => readonly string[]): Promise<Settled> {
  const end = Date.now() + patienceMs;
  for (;;) {
    const matrix = await measureMatrix(lab, namespaces);
    const differences = differ(matrix);
    if (differences.length === 0 || Date.now() > end) return { matrix, differences };
  }
}

function listed(differences: readonly string[]): string {
  if (differences.length === 0) return "No difference from what should be.\n";
  return [`${differences.length} differences from what should be:`, ...differences.map((one) => `  ! ${one}`), ""].join(
    "\n",
  );
}
