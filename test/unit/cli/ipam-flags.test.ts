import { Command, type CommanderError } from "commander";
import { expect, test } from "vitest";
import { addIpam } from "../../../src/cli/ipam.ts";
import { ipArgument } from "../../../src/cli/ipam-command.ts";

/** What the command line says before anything is asked of a cluster. */
async function refusal(...argv: readonly string[]): Promise<string> {
  let said = "";
  const program = new Command("margay").exitOverride().configureOutput({ writeErr: (text) => (said += text) });
  addIpam(program);
  await expect(program.parseAsync(["ipam", ...argv], { from: "user" })).rejects.toSatisfy(
    (error: CommanderError) => error.exitCode !== 0,
  );
  return said;
}

test.each([
  [["show", "--ip", "10.0.0.300"], "It must be an IPv4 or IPv6 address."],
  [["show", "-o", "yaml"], "Allowed choices are text, json."],
  [["split", "3", "--name", "blue"], "It must be a power of two from 2 to 1024."],
  [["split", "1", "--name", "blue"], "It must be a power of two from 2 to 1024."],
  [["split", "2048", "--name", "blue"], "It must be a power of two from 2 to 1024."],
  [["split", "2"], "name the pool with --name or --cidr"],
  [["split"], "missing required argument 'number'"],
  [["split", "2", "--cidr", "blue"], "It must be a network such as"],
  [["configure"], "name at least one setting to change"],
  [["configure", "--strictaffinity", "yes"], "It must be true or false."],
  [["configure", "--max-blocks-per-host", "-1"], "It must be a whole number from 0 to 1000000."],
  [["configure", "--max-blocks-per-host", "1000001"], "It must be a whole number from 0 to 1000000."],
  [["configure", "--ip-cooldown-seconds", "1201"], "It must be a whole number from 0 to 1200."],
  [["configure", "--ip-cooldown-seconds", "1.5"], "It must be a whole number from 0 to 1200."],
  [["configure", "--kubevirt-ip-persistence", "on"], "Allowed choices are Enabled, Disabled."],
  [["release"], "name an address with --ip, or a report with --from-report"],
  [["release", "--force"], "name an address with --ip, or a report with --from-report"],
  [["release", "--ip", "10.0.0.1", "--from-report", "x"], "name an address with --ip, or a report with --from-report"],
  [["release", "--ip", "10.0.0.1/32"], "It must be an IPv4 or IPv6 address."],
  [["check", "--nodes"], "unknown option '--nodes'"],
  [["approve", "a1b2"], "too many arguments"],
])("a wrong use is refused: %j", async (argv, sentence) => {
  const said = await refusal(...argv);
  expect(said).toMatch(/^error: /);
  expect(said).toContain(`(margay ipam ${argv[0]} --help says what it takes)`);
  expect(said).toContain(sentence);
});

test.each([
  ["FD00:0010:0000::2A:0", "fd00:10::2a:0"],
  ["fd00:10:0:0:0:0:2a:0", "fd00:10::2a:0"],
  ["::ffff:10.1.0.9", "10.1.0.9"],
  ["::FFFF:A01:9", "10.1.0.9"],
  ["::10.1.0.9", "::a01:9"],
  ["1::ffff:a01:9", "1::ffff:a01:9"],
  ["10.1.0.9", "10.1.0.9"],
])("an address is the same in every form: %s", (text, ip) => {
  expect(ipArgument(text)).toBe(ip);
});

test("every command says what it is for, and names its options", () => {
  const program = new Command("margay");
  addIpam(program);
  const [group] = program.commands;
  expect(group?.commands.map((one) => one.name())).toEqual([
    ...["show", "check", "release", "split", "configure", "approve"],
  ]);
  for (const command of group?.commands ?? []) {
    expect(command.description(), command.name()).not.toBe("");
    for (const option of command.options) expect(option.description, option.flags).not.toBe("");
    expect(command.options.map(({ long }) => long)).toEqual(expect.arrayContaining(["--kubeconfig", "--output"]));
  }
});
