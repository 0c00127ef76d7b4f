import { type Command, InvalidArgumentError, Option } from "commander";
import type { KubeIpamStore } from "../kube/ipam-store.ts";
import { type Ip, isIp, parseIp } from "../net/ip.ts";
import { addConnectionOption, type ConnectionOptions, withClient } from "./connection.ts";

/** The options that `addOutputOption` gives to a command. */
export interface OutputOptions {
  readonly output: "text" | "json";
}

/** What a command on addresses works with. */
export interface IpamParts {
  readonly client: Parameters<Parameters<typeof withClient>[1]>[0];
  readonly store: KubeIpamStore;
}

/** Adds `ipam NAME`, with `--kubeconfig`. */
export function addIpamCommand(program: Command, usage: string, description: string): Command {
  const group =
    program.commands.find((one) => one.name() === "ipam") ??
    program.command("ipam").description("see, check and mend how addresses are given out");
  return addConnectionOption(group.command(usage).description(description));
}

/** Adds `-o text|json`. */
export function addOutputOption(command: Command): Command {
  return command.addOption(new Option("-o, --output <format>", "format").choices(["text", "json"]).default("text"));
}

/** For an option's `argParser`. */
export function ipArgument(text: string): Ip {
  if (!isIp(text)) throw new InvalidArgumentError("It must be an IPv4 or IPv6 address.");
  return parseIp(text);
}

/** What `use` gives, with the cluster's records; one that cannot be read is told of on standard error, and left out. */
export function withIpam<T>(options: ConnectionOptions, use: (parts: IpamParts) => Promise<T>): Promise<T> {
  return withClient(options, async (client) => {
    const { KubeIpamStore } = await import("../kube/ipam-store.ts");
    return use({ client, store: new KubeIpamStore({ client, onRejected: ({ reason }) => warn(reason) }) });
  });
}

/** A sentence beside the command's result, on standard error. */
export function warn(sentence: string): void {
  process.stderr.write(`margay: ${sentence}\n`);
}

/** Prints `value` as `-o` asks: as JSON, whose integers have every digit, or in the words of `text`. */
export async function print<T>({ output }: OutputOptions, value: T, text: (value: T) => string): Promise<void> {
  if (output === "text") process.stdout.write(text(value));
  else process.stdout.write(`${(await import("../kube/json.ts")).formatJson(value, 2)}\n`);
}
