import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkObject, readObjects } from "../../../src/cli/object-files.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "margay-objects-"));
});
afterEach(() => rm(folder, { recursive: true }));

const pool = (name: string, spec = "{cidr: 10.0.0.0/16}") =>
  `apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: ${name}}\nspec: ${spec}\n`;

async function read(content: string) {
  const path = join(folder, "objects.yaml");
  await writeFile(path, content);
  return readObjects(path);
}

test("documents, Lists and JSON are all read, and empty documents passed over", async () => {
  const list = `apiVersion: v1\nkind: List\nitems: [${JSON.stringify({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } })}]\n`;
  const objects = await read(`# nothing yet\n---\n${pool("one")}---\n${list}---\n`);
  expect(objects.map(({ kind, name, namespace }) => [kind.kind, name, namespace])).toEqual([
    ["IPPool", "one", undefined],
    ["Namespace", "shop", undefined],
  ]);
});

test("a folder is read in order of name, and only its YAML and JSON", async () => {
  await writeFile(join(folder, "b.yml"), pool("b"));
  await writeFile(join(folder, "a.json"), JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: "a" } }));
  await writeFile(join(folder, "README.md"), "not: an object");
  expect((await readObjects(folder)).map(({ name }) => name)).toEqual(["a", "b"]);
});

test("a namespaced object without a namespace goes to default", async () => {
  const policy =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}}\n";
  const [object] = await read(policy);
  expect(object).toMatchObject({ namespace: "default", json: { metadata: { name: "deny", namespace: "default" } } });
});

test("large integers keep their digits, small ones are numbers", async () => {
  const [object] = await read(pool("one", "{large: 1790263475908126721, small: 26}"));
  expect(object?.json["spec"]).toEqual({ large: 1790263475908126721n, small: 26 });
});

test("every problem is told, with its place", async () => {
  const content = `${pool("fine")}---\napiVersion: v1\nkind: Banana\nmetadata: {name: x}\n---\nkind: IPPool\n---\na: [`;
  const { message } = await read(content).then(
    () => new Error("nothing is wrong"),
    (error: Error) => error,
  );
  const path = join(folder, "objects.yaml");
  const problems = message.split("\n").filter((line) => line.startsWith("Cannot"));
  expect(problems.toSorted()).toEqual([
    `Cannot read ${path}, document 2: margay does not know the kind Banana of v1`,
    `Cannot read ${path}, document 3: apiVersion and kind must be given`,
    expect.stringMatching(/^Cannot read .*, document 4 as YAML: /),
  ]);
  await expect(read("# nothing\n")).rejects.toThrow("Cannot find any object in");
  await expect(readObjects(join(folder, "none.yaml"))).rejects.toThrow(/Cannot read .*none\.yaml: ENOENT/);
});

test("an object is checked as our own code reads it", async () => {
  const [bad] = await read(pool("bad", "{cidr: 10.0.0.0/33}"));
  expect(() => bad && checkObject(bad)).toThrow(/Cannot read IPPool bad: spec\.cidr is "10\.0\.0\.0\/33"/);
  const [good] = await read(pool("good"));
  expect(() => good && checkObject(good)).not.toThrow();
});

test("a ClusterNetworkPolicy is checked too", async () => {
  const policy = (priority: number) =>
    "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: one}\n" +
    `spec: {tier: Admin, priority: ${priority}, subject: {namespaces: {}}}\n`;
  const [bad] = await read(policy(3000));
  expect(() => bad && checkObject(bad)).toThrow(/ClusterNetworkPolicy one: spec\.priority is 3000/);
  const [good] = await read(policy(3));
  expect(() => good && checkObject(good)).not.toThrow();
});
