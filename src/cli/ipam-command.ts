import { type Command, InvalidArgumentError, Option } from "commander";
import type { KubeIpamStore } from "../kube/ipam-store.ts";
import { type Ip, ipFromNumber, ipToNumber, isIp, parseIp, versionOf } from "../net/ip.ts";
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
  const command = group.command(usage).description(description);
  command.showHelpAfterError(`(margay ipam ${command.name()} --help says what it takes)`);
  return addConnectionOption(command);
}

/** Adds `-o text|json`. */
export function addOutputOption(command: Command): Command {
  return command.addOption(new Option("-o, --output <format>", "format").choices(["text", "json"]).default("text"));
}

/** For an option's `argParser`. `::ffff:10.0.0.1` is 10.0.0.1, as calicoctl reads it (RFC 4291 section 2.5.5.2). */
export function ipArgument(text: string): Ip {
  if (!isIp(text)) throw new InvalidArgumentError("It must be an IPv4 or IPv6 address.");
  const ip = parseIp(text);
  const value = ipToNumber(ip);
  return versionOf(ip) === 6 && value >> 32n === 0xffffn ? ipFromNumber(value & 0xffff_ffffn, 4) : ip;
}

/** As `withClient`; what fails says also what to do about it. */
export async function withIpamClient<T>(
  options: ConnectionOptions,
  use: (client: IpamParts["client"]) => Promise<T>,
): Promise<T> {
  try {
    return await withClient(options, use);
  } catch (error) {
    const { withRemedy } = await import("./ipam-remedy.ts");
    throw withRemedy(error);
  }
}

/** What `use` gives, with the cluster's records; one that cannot be read is told of on standard error, and left out. */
export function withIpam<T>(options: ConnectionOptions, use: (parts: IpamParts) => Promise<T>): Promise<T> {
  return withIpamClient(options, async (client) => {
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
