import { expect, test } from "vitest";
import { parseBgpConfiguration, restOfBgpConfiguration } from "../../../src/api/bgp-configuration.ts";

const named = (spec: unknown, name = "default") => ({ metadata: { name }, spec });
const nodeMeshPassword = { secretKeyRef: { name: "bgp", key: "password" } };

test("no field is filled in: what is absent is left to the next object", () => {
  expect(parseBgpConfiguration(named({}))).toMatchObject({ spec: {}, faults: [] });
  expect(Object.keys(parseBgpConfiguration(named({ listenPort: 1790 })).spec)).toEqual(["listenPort"]);
});

test("networks are given in canonical form, AS numbers as numbers", () => {
  const spec = { asNumber: "1.10", serviceClusterIPs: [{ cidr: "10.96.0.1/12" }, { cidr: "2001:DB8::/112" }] };
  expect(parseBgpConfiguration(named(spec)).spec).toEqual({
    asNumber: 65546,
    serviceClusterIPs: [{ cidr: "10.96.0.0/12" }, { cidr: "2001:db8::/112" }],
  });
});

test("a community that has neither a value nor a name is refused", () => {
  const spec = (community: string) => ({
    communities: [{ name: "known", value: "1:1" }],
    prefixAdvertisements: [{ cidr: "10.0.0.0/8", communities: ["known", "1:2:3", community] }],
  });
  expect(() => parseBgpConfiguration(named(spec("known")))).not.toThrow();
  expect(() => parseBgpConfiguration(named(spec("unknown")))).toThrow("neither a value nor a name from communities");
});

test.each([
  ["nodeMeshPassword", nodeMeshPassword],
  ["nodeMeshMaxRestartTime", "60s"],
  ["nodeMeshBFD", "Enabled"],
])("%s needs a mesh", (field, value) => {
  expect(() => parseBgpConfiguration(named({ [field]: value, nodeToNodeMeshEnabled: true }))).not.toThrow();
  expect(() => parseBgpConfiguration(named({ [field]: value, nodeToNodeMeshEnabled: false }))).toThrow(
    `${field} needs the mesh`,
  );
});

test("of an object that cannot be read, every field that can be counts, in its final form, and the others are named", () => {
  const spec = { asNumber: "1.1", listenPort: 0, bindMode: "NodeIP", colour: "red" };
  expect(() => parseBgpConfiguration(named(spec))).toThrow("Cannot read BGPConfiguration default: spec.listenPort");
  const rest = restOfBgpConfiguration(named(spec));
  expect(rest?.spec).toEqual({ asNumber: 65537, bindMode: "NodeIP" });
  expect(rest?.faults).toEqual([
    { field: "colour", reason: "no setting has this name" },
    { field: "listenPort", reason: "it is 0: it must be at least 1" },
  ]);
  expect(restOfBgpConfiguration(named("none"))?.spec).toEqual({});
  expect(restOfBgpConfiguration({ spec })).toBeUndefined();
});

test("a password that cannot be read is asked for all the same, so that no session opens without", () => {
  expect(restOfBgpConfiguration(named({ nodeMeshPassword: { secretKeyRef: { name: "bgp" } } }))).toMatchObject({
    spec: { nodeMeshPassword: {} },
    faults: [{ field: "nodeMeshPassword" }],
  });
  expect(restOfBgpConfiguration(named({ listenPort: 0 }))?.spec).toEqual({});
});

test("what stands on a node's object although it is for all nodes does not count", () => {
  const rest = restOfBgpConfiguration(named({ asNumber: 64513, nodeMeshPassword, listenPort: 1790 }, "node.node-1"));
  expect(rest?.spec).toEqual({ listenPort: 1790 });
  expect(rest?.faults.map(({ field }) => field)).toEqual(["asNumber", "nodeMeshPassword"]);
});
