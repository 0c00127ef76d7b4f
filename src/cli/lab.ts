import { type Command, InvalidArgumentError } from "commander";

interface LabFlags {
  readonly name: string;
}

/** `margay lab …`: a cluster on this machine. Needs root. */
export function addLab(program: Command): void {
  const lab = program
    .command("lab")
    .description("a cluster of network namespaces on this machine")
    .enablePositionalOptions();
  const add = (usage: string, description: string) =>
    lab.command(usage).description(description).option("--name <name>", "which lab", "lab");

  add("up", "start it, show who reaches whom, and leave it running")
    .option("--nodes <number>", "how many nodes, 1 to 20", wholeNumber, 3)
    .option(
      "--kubelet-nodes <number>",
      "how many of them, the first ones, run containerd and kubelet (then no matrix is shown)",
      wholeNumber,
      0,
    )
    .action(async ({ name, nodes, kubeletNodes }: LabFlags & { nodes: number; kubeletNodes: number }) => {
      process.exitCode = await (await lazy()).labUp({ name, nodes, kubeletNodes });
    });
  add("down", "end it and remove all of it").action(async ({ name }: LabFlags) => (await lazy()).labDown(name));
  add("matrix", "measure who reaches whom, and compare").action(async ({ name }: LabFlags) => {
    process.exitCode = await (await lazy()).labMatrix(name);
  });
  add("status", "show its nodes, routes, BGP sessions and addresses").action(async ({ name }: LabFlags) =>
    (await lazy()).labStatus(name),
  );
  add("kubectl", "run kubectl on it")
    .argument("[arguments...]", "kubectl's own")
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (argv: string[], { name }: LabFlags) => {
      process.exitCode = await (await lazy()).labKubectl(name, argv);
    });
  add("pod", "list pods; show one; or let one try to reach addresses")
    .argument("[pod]", "NAMESPACE/NAME")
    .argument("[targets...]", "ADDRESS:PORT")
    .action(async (pod: string | undefined, targets: string[], { name }: LabFlags) => {
      process.exitCode = await (await lazy()).labPod(name, pod, targets);
    });
  add("exec", "run a program in a node, or in the network of a pod")
    .argument("<place>", "a node, or NAMESPACE/NAME of a pod")
    .argument("<program...>", "the program and its arguments")
    .passThroughOptions()
    .action(async (place: string, argv: string[], { name }: LabFlags) => {
      process.exitCode = await (await lazy()).labExec(name, place, argv);
    });
}

// --- internal ---

function lazy(): Promise<typeof import("../../lab/main.ts")> {
  return import("../../lab/main.ts");
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError("It is a number.");
  return Number(text);
}
