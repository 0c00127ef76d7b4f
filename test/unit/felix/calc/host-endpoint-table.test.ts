import { expect, test } from "vitest";
import type { HostEndpoint } from "../../../../src/api/host-endpoint.ts";
import type { NodeName } from "../../../../src/api/names.ts";
import { HostEndpointTable } from "../../../../src/felix/calc/host-endpoint-table.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const node = "node-1" as NodeName;
const address = parseIp("172.16.0.1");

test("the first by name of those that name the interface or expect its address is for it", () => {
  const table = tableWith(
    hostEndpoint("c", { interfaceName: "eth0" }),
    hostEndpoint("b", { expectedIPs: [address] }),
    hostEndpoint("z", { interfaceName: "*" }),
    hostEndpoint("y", { interfaceName: "*" }),
    hostEndpoint("a", { interfaceName: "eth0", node: "node-2" }),
  );
  table.setInterface("eth0", { name: "eth0", addresses: [address] });
  expect(assigned(table)).toEqual({ "*": "y", eth0: "b" });
  table.setInterface("eth0", { name: "eth0", addresses: [] });
  expect(assigned(table)).toEqual({ "*": "y", eth0: "c" });
  table.setInterface("eth0", undefined);
  expect(assigned(table)).toEqual({ "*": "y", eth0: "c" });
});

test("one that expects an address is for every interface that has it, and does not need one that is named elsewhere", () => {
  const table = tableWith(
    hostEndpoint("a", { interfaceName: "eth9", expectedIPs: [address] }),
    hostEndpoint("b", { expectedIPs: [parseIp("fd00::1"), address] }),
  );
  for (const name of ["eth0", "eth1"]) table.setInterface(name, { name, addresses: [parseIp("10.0.0.1"), address] });
  expect(assigned(table)).toEqual({ eth0: "b", eth1: "b", eth9: "a" });
});

test("a workload's interface has none", () => {
  const table = tableWith(hostEndpoint("a", { interfaceName: "cali1" }), hostEndpoint("b", { expectedIPs: [address] }));
  table.setInterface("cali2", { name: "cali2", addresses: [address] });
  expect(assigned(table)).toEqual({});
});

test("only those of this node concern it, also when they leave", () => {
  const table = new HostEndpointTable(node);
  const [here, there] = [hostEndpoint("a", {}), hostEndpoint("a", { node: "node-2" })];
  const answers = [there, here, there, there, here, undefined, undefined].map((one) => table.set("a", one));
  expect(answers).toEqual([false, true, true, false, true, true, false]);
});

test("an interface that is a workload's, or says what it said, makes no difference", () => {
  const table = new HostEndpointTable(node);
  const eth0 = { name: "eth0", addresses: [address] };
  const answers = [eth0, { ...eth0 }, { ...eth0, addresses: [] }, undefined, undefined].map((one) =>
    table.setInterface("eth0", one),
  );
  expect(answers).toEqual([true, false, true, true, false]);
  expect(table.setInterface("cali1", { name: "cali1", addresses: [address] })).toBe(false);
});

// --- internal ---

function tableWith(...hostEndpoints: readonly HostEndpoint[]): HostEndpointTable {
  const table = new HostEndpointTable(node);
  for (const one of hostEndpoints) table.set(one.metadata.name, one);
  return table;
}

function assigned(table: HostEndpointTable): Readonly<Record<string, string>> {
  const names = [...table.assignments()].map(([interfaceName, { metadata }]) => [interfaceName, metadata.name]);
  return Object.fromEntries(names);
}

function hostEndpoint(name: string, spec: Partial<HostEndpoint["spec"]>): HostEndpoint {
  const unsaid = { node, interfaceName: "", expectedIPs: [], profiles: [], ports: [] };
  return { metadata: { name, labels: {}, annotations: {} }, spec: { ...unsaid, ...spec } };
}
