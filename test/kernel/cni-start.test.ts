import { spawnSync } from "node:child_process";
import { mkdir, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import { vethName } from "../../src/cni/veth-name.ts";
import { readSysctl, writeSysctl } from "../../src/host/sysctl.ts";
import { SystemError } from "../../src/host/system-error.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { sendRouterAdvertisement } from "./cni-router-advertisement.ts";
import { container, test } from "./cni-test.ts";

const veth = vethName("shop", "web");

const listens = (node: CniNode, key: string, value: string, name = veth) =>
  writeSysctl(node.netns, `ipv6/conf/${name}/${key}`, value);

/** Everything of IPv6 on the host's end. */
async function ipv6Of(node: CniNode): Promise<string> {
  const about = (what: string) => node.run(node.netns, ["ip", "-6", what, "show", "dev", veth]);
  return `${await about("address")}${await about("route")}`;
}

test("a pod without IPv6 cannot tell its node how to route, nor after an agent that let it", async ({ node }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  expect(readSysctl(node.netns, `ipv6/conf/${veth}/disable_ipv6`)).toBe("1");
  expect(readSysctl(node.netns, `ipv6/conf/${veth}/accept_ra`)).toBe("0");
  expect(await ipv6Of(node)).toBe("");
  await server.close();
  listens(node, "accept_ra", "1");
  listens(node, "disable_ipv6", "0");
  // The kernel believes it: the packet is sound.
  await expect
    .poll(
      () => {
        sendRouterAdvertisement(netns);
        return ipv6Of(node);
      },
      { timeout: 20_000 },
    )
    .toMatch(/2001:db8:bad:.*default via fe80::bad/s);
  await node.serve();
  sendRouterAdvertisement(netns);
  expect(await ipv6Of(node)).toBe("");
  await node.connect(netns, node.netns, "10.250.0.1");
});

test("a pod with IPv6 cannot either", async ({ node }) => {
  const netns = node.addPod("web");
  await node.serve();
  const conf = confOf({ ipam: { type: "calico-ipam", assign_ipv6: true } });
  await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  expect(readSysctl(node.netns, `ipv6/conf/${veth}/accept_ra`)).toBe("0");
  expect(readSysctl(node.netns, `ipv6/conf/${veth}/accept_redirects`)).toBe("0");
  // A host listens to advertisements where a router does not.
  listens(node, "forwarding", "0");
  sendRouterAdvertisement(netns);
  expect(await ipv6Of(node)).not.toContain("bad");
});

test("an interface whose settings cannot be restored is reported, and the others are", async ({ node }) => {
  const [netns, db] = [node.addPod("web"), node.addPod("db")];
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await node.call({ verb: "ADD", container: "another", netns: db, pod: "db" });
  const gone = node.addPod("gone");
  await node.call({ verb: "ADD", container: "gone", netns: gone, pod: "gone" });
  await server.close();
  await node.run(node.netns, ["ip", "link", "delete", vethName("shop", "gone")]);
  for (const name of ["web", "db"]) listens(node, "accept_ra", "1", vethName("shop", name));
  await node.serve({
    writeSysctl: (path, key, value) => {
      if (key.includes(vethName("shop", "db"))) throw new Error(`Cannot set sysctl net/${key}`);
      node.dependencies.writeSysctl(path, key, value);
    },
  });
  expect(node.reports).toEqual([expect.stringMatching(/^Cannot restore the settings of cali.*shop\/db/)]);
  expect(readSysctl(node.netns, `ipv6/conf/${veth}/accept_ra`)).toBe("0");
  expect((await node.call({ verb: "STATUS", conf: confOf({ cniVersion: "1.1.0" }) })).exitCode).toBe(0);
});

test("a kernel without IPv6 wires pods without it, and CHECK misses nothing", async ({ node }) => {
  const netns = node.addPod("web");
  const { readSysctl: read, writeSysctl: write } = node.dependencies;
  await node.serve({
    readSysctl: (path, key) => (key.startsWith("ipv6/") ? undefined : read(path, key)),
    writeSysctl: (path, key, value) => {
      if (key.startsWith("ipv6/")) throw new SystemError(`set sysctl net/${key}`, "ENOENT");
      write(path, key, value);
    },
  });
  const conf = confOf({ cniVersion: "1.0.0" });
  const { json, exitCode } = await node.call({ verb: "ADD", container, netns, pod: "web", conf });
  expect(exitCode).toBe(0);
  const check = await node.call({ verb: "CHECK", container, netns, pod: "web", conf: { ...conf, prevResult: json } });
  expect(check).toMatchObject({ exitCode: 0, text: "" });
});

test("what killed writers left half-written goes at the start; what is being written stays", async ({ node }) => {
  const { spool, journal } = node.dependencies.paths;
  const records = [journal, join(node.folder, "attachments"), join(node.folder, "leases")];
  for (const folder of [spool, ...records]) await mkdir(folder, { recursive: true });
  const replacing = ".c:eth0.json.0123456789abcdef.replacing";
  for (const folder of records) await writeFile(join(folder, replacing), "half");
  const dead = `.dead.1:eth0.${spawnSync("true").pid}-0123456789abcdef`;
  const [old, young] = [1, 2].map((n) => `.c${n}:eth0.${process.pid}-0123456789abcdef`) as [string, string];
  for (const name of [dead, old, young]) await writeFile(join(spool, name), "calico\0CNI_COMM");
  await utimes(join(spool, old), 1, 1);
  await node.serve();
  expect(await readdir(spool)).toEqual([young]);
  for (const folder of records) expect(await readdir(folder), folder).toEqual([]);
  expect(node.reports).toEqual([]);
});

test("drafts that cannot be removed do not keep the agent from serving", async ({ node }) => {
  const draft = `.c:eth0.${spawnSync("true").pid}-0123456789abcdef`;
  await mkdir(join(node.dependencies.paths.spool, draft), { recursive: true });
  await mkdir(join(node.dependencies.paths.journal, ".c.replacing"), { recursive: true });
  await node.serve();
  expect(node.reports).toEqual([expect.stringContaining("/journal"), expect.stringContaining(draft)]);
  await rm(join(node.dependencies.paths.journal, ".c.replacing"), { recursive: true });
});

test("an entry of the spool that cannot be read is left, and the agent serves", async ({ node }) => {
  const netns = node.addPod("web");
  const server = await node.serve();
  await node.call({ verb: "ADD", container, netns, pod: "web" });
  await server.close();
  await node.call({ verb: "DEL", container, netns, pod: "web" });
  const { spool } = node.dependencies.paths;
  await mkdir(join(spool, "1:eth0"));
  await node.serve();
  expect(await readdir(spool)).toEqual(["1:eth0"]);
  expect(node.allocations()).toEqual([]);
  expect(node.reports).toEqual(
    expect.arrayContaining([expect.stringMatching(/1:eth0.*EISDIR/), expect.stringContaining("1 are left")]),
  );
});
