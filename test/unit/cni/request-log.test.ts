import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { NodeName } from "../../../src/api/names.ts";
import { CniError } from "../../../src/cni/cni-error.ts";
import { RequestLog } from "../../../src/cni/request-log.ts";
import { testClock } from "../../fakes/test-clock.ts";

let folder: string;
let path: string;
let reports: string[];
let log: RequestLog;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-log-"));
  path = join(folder, "cni.log");
  reports = [];
  const report = (_level: string, message: string) => reports.push(message);
  log = new RequestLog({ clock: testClock(), report, nodeName: "node-1" as NodeName });
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const succeeded = { ms: 12.345, error: undefined };
const failed = { ms: 5, error: new CniError(11, "Cannot add pods on node-1: it is not ready", { details: "why" }) };

function requestOf(conf: unknown, args = "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web") {
  const variables = { CNI_COMMAND: "ADD", CNI_CONTAINERID: "c1", CNI_ARGS: args };
  const stdin = typeof conf === "string" ? conf : JSON.stringify(conf);
  return { program: "calico", environment: new Map(Object.entries(variables)), stdin };
}

async function lines(): Promise<readonly Record<string, unknown>[]> {
  await log.settled();
  const text = await readFile(path, "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

test("a line for each request says who, what, how long and how it ended", async () => {
  log.write(requestOf({ log_file_path: path }), succeeded);
  log.write(requestOf({ log_file_path: path }, "K8S_POD_NAME=x\ny;K8S_POD_NAMESPACE=shop"), failed);
  const common = {
    time: "1970-01-01T00:00:00.000Z",
    node: "node-1",
    program: "calico",
    verb: "ADD",
    containerId: "c1",
  };
  expect(await lines()).toEqual([
    { ...common, level: "info", pod: "shop/web", ms: 12.3, code: 0, message: "done" },
    { ...common, level: "error", pod: "shop/x\ny", ms: 5, code: 11, message: failed.error.message },
  ]);
});

test.for([
  ["debug", 2],
  ["INFO", 2],
  ["no such level", 2],
  ["Warning", 1],
  ["error", 1],
] as const)("at level %s there are %i lines of a success and a failure", async ([level, count]) => {
  for (const outcome of [succeeded, failed]) log.write(requestOf({ log_file_path: path, log_level: level }), outcome);
  expect(await lines()).toHaveLength(count);
});

test("at level debug there is what the runtime said, and the detail", async () => {
  log.write(requestOf({ log_file_path: path, log_level: "debug" }), failed);
  const environment = {
    CNI_COMMAND: "ADD",
    CNI_CONTAINERID: "c1",
    CNI_ARGS: "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web",
  };
  expect(await lines()).toMatchObject([{ details: "why", environment }]);
});

test("size and number are the configuration's, in megabytes", async () => {
  const conf = { log_file_path: path, log_file_max_size: 1, log_file_max_count: 1 };
  for (let n = 0; n < 3; n++) {
    await writeFile(path, "x".repeat(1024 * 1024));
    log.write(requestOf(conf), succeeded);
    await log.settled();
  }
  expect(await readdir(folder)).toEqual([expect.stringMatching(/^cni-1970-01-01T00-00-00\.\d{3}\.log$/), "cni.log"]);
  expect(await lines()).toHaveLength(1);
});

test("what cannot be written is reported once, and again when it could be written between", async () => {
  const conf = { log_file_path: join(folder, "a-file/cni.log") };
  await writeFile(join(folder, "a-file"), "");
  for (const _ of [1, 2]) log.write(requestOf(conf), succeeded);
  await log.settled();
  expect(reports).toEqual([expect.stringContaining(`Cannot write the log ${folder}/a-file/cni.log`)]);
  await rm(join(folder, "a-file"));
  log.write(requestOf(conf), succeeded);
  await log.settled();
  await rm(join(folder, "a-file"), { recursive: true });
  await writeFile(join(folder, "a-file"), "");
  log.write(requestOf(conf), succeeded);
  await log.settled();
  expect(reports).toHaveLength(2);
});

test("a path that is not absolute is not written", async () => {
  log.write(requestOf({ log_file_path: "cni.log" }), succeeded);
  await log.settled();
  expect(reports).toEqual([expect.stringContaining("it is not an absolute path")]);
});

test.for([[{}], [{ log_file_path: "" }], [{ log_file_path: 5 }], ["{"], ['"log_file_path"']])(
  "the configuration %j asks for no file",
  async ([conf]) => {
    log.write(requestOf(conf), succeeded);
    await log.settled();
    expect([await readdir(folder), reports]).toEqual([[], []]);
  },
);
