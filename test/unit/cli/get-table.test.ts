import { expect, test } from "vitest";
import { type Kind, kindCalled } from "../../../src/api/kinds.ts";
import { formatObjects } from "../../../src/cli/get-table.ts";

function kind(name: string): Kind {
  const found = kindCalled(name);
  if (found === undefined) throw new Error(`no kind ${name}`);
  return found;
}

const pools = [
  { metadata: { name: "default-ipv4" }, spec: { cidr: "192.168.0.0/16", nodeSelector: "all()", natOutgoing: true } },
  { metadata: { name: "b" }, spec: { cidr: "10.0.0.0/8" } },
];

test("a filter is shown by how many rules it has", () => {
  const filters = [{ metadata: { name: "a" }, spec: { exportV4: [{}, {}], importV6: [{}] } }];
  const [header, row] = formatObjects(kind("bgpf"), filters, { wide: false, namespaces: false }).split("\n");
  expect(header?.split(/ +/)).toEqual(["NAME", "NUMEXPORTV4", "NUMIMPORTV4", "NUMEXPORTV6", "NUMIMPORTV6"]);
  expect(row?.split(/ +/)).toEqual(["a", "2", "0", "0", "1"]);
});

test("pools have calicoctl's columns", () => {
  expect(formatObjects(kind("pool"), pools, { wide: false, namespaces: false })).toBe(
    [
      "NAME           CIDR             SELECTOR",
      "default-ipv4   192.168.0.0/16   all()",
      "b              10.0.0.0/8",
      "",
    ].join("\n"),
  );
  const [header] = formatObjects(kind("ipp"), [], { wide: true, namespaces: false }).split("\n");
  expect(header?.split(/ +/)).toEqual(
    "NAME CIDR NAT IPIPMODE VXLANMODE DISABLED DISABLEBGPEXPORT SELECTOR ASSIGNMENTMODE".split(" "),
  );
});

test("a peer says which nodes it is for", () => {
  const peers = [
    { metadata: { name: "all" }, spec: { peerIP: "10.0.0.1", asNumber: 64513 } },
    { metadata: { name: "one" }, spec: { peerIP: "10.0.0.1", asNumber: 64513, node: "node-1" } },
    { metadata: { name: "some" }, spec: { peerIP: "10.0.0.1", asNumber: 64513, nodeSelector: "rack == 'a'" } },
  ];
  const lines = formatObjects(kind("bgppeers"), peers, { wide: false, namespaces: false }).split("\n");
  expect(lines.slice(0, 4).map((line) => line.split(/ {2,}/))).toEqual([
    ["NAME", "PEERIP", "NODE", "ASN"],
    ["all", "10.0.0.1", "(global)", "64513"],
    ["one", "10.0.0.1", "node-1", "64513"],
    ["some", "10.0.0.1", "rack == 'a'", "64513"],
  ]);
});

test("namespaces come first where they are asked for", () => {
  const policies = [{ metadata: { name: "deny", namespace: "shop" } }];
  expect(formatObjects(kind("netpol"), policies, { wide: false, namespaces: true })).toBe(
    "NAMESPACE   NAME\nshop        deny\n",
  );
});

test("a kind without a table of its own has the columns of its CRD", () => {
  const blocks = [{ metadata: { name: "10-0-0-0-26" }, spec: { cidr: "10.0.0.0/26", affinity: "host:node-1" } }];
  const text = formatObjects(kind("ipamblocks"), blocks, { wide: false, namespaces: false });
  expect(text.split("\n")[0]?.split(/ +/).slice(0, 3)).toEqual(["NAME", "CIDR", "AFFINITY"]);
  expect(text).toContain("10-0-0-0-26   10.0.0.0/26   host:node-1");
});

test("of two kinds of one name each has its own columns, and a CRD that is not of our group has those of it", () => {
  const spec = { tier: "Admin", priority: 3, order: 7 };
  const header = (name: string) =>
    formatObjects(kind(name), [{ metadata: { name: "one" }, spec }], { wide: false, namespaces: false }).split(/ +|\n/);
  expect(header("netpol").slice(0, 2)).toEqual(["NAME", "one"]);
  expect(header("networkpolicies.projectcalico.org").slice(0, 2)).toEqual(["NAME", "TIER"]);
  expect(header("clusternetworkpolicies")).toEqual(["NAME", "TIER", "PRIORITY", "one", "Admin", "3", ""]);
});
