import { Command, type CommanderError } from "commander";
import { expect, test } from "vitest";
import { drainAnnotation, drainStatusAnnotation, formatDrainStatus } from "../../../src/bgp/plan/drain.ts";
import { drainNode, undoDrain } from "../../../src/cli/drain-node.ts";
import { addNodeDrainNet } from "../../../src/cli/node-drain-net.ts";
import { stubClient } from "../../fakes/stub-client.ts";
import { testClock } from "../../fakes/test-clock.ts";

/** A Node whose agent says one thing after the other; the last for ever. */
function bench(...says: readonly (string | undefined)[]) {
  const lines: string[] = [];
  const annotations: unknown[] = [];
  let asked = 0;
  const client = stubClient((request, body) => {
    if (request.startsWith("PATCH")) {
      annotations.push((body as { metadata: { annotations: unknown } }).metadata.annotations);
      return {};
    }
    const text = says[Math.min(asked++, says.length - 1)];
    return { metadata: { name: "node-1", annotations: text === undefined ? {} : { [drainStatusAnnotation]: text } } };
  });
  const clock = testClock();
  return {
    lines,
    annotations,
    clock,
    parts: { client, node: "node-1", print: (line: string) => lines.push(line), clock },
  };
}

const request = "1970-01-01T00:00:00.000Z";
const status = (state: "announced" | "services withdrawn" | "withdrawn", of = request) =>
  formatDrainStatus({ state, request: of, since: request });

test("the Node is asked, and the command follows until Services are withdrawn", async () => {
  const { parts, lines, annotations, clock } = bench(
    ...[status("withdrawn", "an earlier one"), undefined, status("announced"), status("announced")],
    status("services withdrawn"),
  );
  await drainNode(parts, { waitS: 45, follow: true });
  expect(annotations).toEqual([{ [drainAnnotation]: `${request} wait=45s` }]);
  expect(lines).toEqual([
    "node-1: what it announces is the last choice now (GRACEFUL_SHUTDOWN); waiting 45 s",
    "node-1: its Services are withdrawn; its pods' networks are as soon as no pod is left on it",
  ]);
  expect(clock.slept).toEqual([1000, 1000, 1000, 1000]);
});

test("an agent that does not answer is told of, and the request stays", async () => {
  const { parts, annotations, clock } = bench(undefined);
  await expect(drainNode(parts, { waitS: 5, follow: true })).rejects.toThrow(
    "Cannot tell that node-1 has drained its network: its agent has not answered after 65 s",
  );
  expect([annotations.length, clock.slept.length]).toEqual([1, 65]);
  const waiting = bench(status("announced"));
  await expect(drainNode(waiting.parts, { waitS: 5, follow: true })).rejects.toThrow(
    "its agent still waits after 65 s",
  );
});

test("taken back, the request goes, and the command waits until the agent says nothing more of it", async () => {
  const { parts, lines, annotations } = bench(status("services withdrawn"), undefined);
  await undoDrain(parts, { follow: true });
  expect(annotations).toEqual([{ [drainAnnotation]: null }]);
  expect(lines).toEqual(["node-1: everything is announced as before"]);
  await expect(undoDrain(bench(status("withdrawn")).parts, { follow: true })).rejects.toThrow(
    "has not answered in 60 s",
  );
});

test("nobody is waited for when nobody is to be", async () => {
  const { parts, lines, clock } = bench(status("announced"));
  await drainNode(parts, { waitS: 5, follow: false });
  await undoDrain(parts, { follow: false });
  expect([lines.length, clock.slept.length]).toEqual([2, 0]);
});

test.each([
  [[], "name the node, or say --local"],
  [["node-1", "--local"], "name the node, or say --local"],
  [["node-1", "--wait", "1m"], "It must be a whole number of seconds, at most 99999."],
])("a wrong use is refused: %j", async (argv, sentence) => {
  let said = "";
  const program = new Command("margay").exitOverride().configureOutput({ writeErr: (text) => (said += text) });
  addNodeDrainNet(program);
  await expect(program.parseAsync(["node", "drain-net", ...argv], { from: "user" })).rejects.toSatisfy(
    (error: CommanderError) => error.exitCode !== 0,
  );
  expect(said).toContain(sentence);
});
