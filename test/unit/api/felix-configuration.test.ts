import { expect, test } from "vitest";
import {
  felixConfiguration,
  parseFelixConfiguration,
  restOfFelixConfiguration,
} from "../../../src/api/felix-configuration.ts";
import { kindCalled } from "../../../src/api/kinds.ts";

const named = (spec: unknown, name = "default") => ({ metadata: { name }, spec });

test("no field is filled in: what is absent is left to the next source", () => {
  expect(parseFelixConfiguration(named({})).spec).toEqual({});
  expect(parseFelixConfiguration(named({ ipv6Support: false })).spec).toEqual({ ipv6Support: false });
});

test("a field that no setting has the name of is told of, and disturbs nothing", () => {
  const { spec, faults } = parseFelixConfiguration(named({ healthPort: 1, ebpf: true, __proto__x: 1 }));
  expect(spec).toEqual({ healthPort: 1 });
  expect(faults).toEqual(["ebpf", "__proto__x"].map((field) => ({ field, reason: "no setting has this name" })));
});

test("of an object that cannot be read, every field that can be counts, and the others are named", () => {
  const spec = {
    ...{ healthPort: 1, ipv6Support: "yes", bpfEnabled: 1, netlinkTimeout: "5s", toString: 1 },
    failsafeInboundHostPorts: [{ port: 22 }, { port: 70_000 }],
  };
  expect(() => parseFelixConfiguration(named(spec))).toThrow(
    /^Cannot read FelixConfiguration default: .*spec.ipv6Support is "yes"/,
  );
  const rest = restOfFelixConfiguration(named(spec));
  expect(rest?.spec).toEqual({ healthPort: 1, netlinkTimeout: "5s" });
  expect(rest?.faults).toEqual([
    { field: "toString", reason: "no setting has this name" },
    { field: "ipv6Support", reason: 'it is "yes": it must be true or false' },
    { field: "bpfEnabled", reason: "it is 1: it must be true or false" },
    { field: "failsafeInboundHostPorts", reason: "[1].port is 70000: it must be at most 65535" },
  ]);
});

test("a selector where the name says whom the object is for, or one that cannot be read, is no selector", () => {
  const misplaced = restOfFelixConfiguration(named({ nodeSelector: "all()", healthPort: 1 }, "node.a"));
  expect(misplaced).toMatchObject({ spec: { healthPort: 1 }, faults: [{ field: "nodeSelector" }] });
  expect(misplaced?.spec.nodeSelector).toBeUndefined();
  const unreadable = named({ nodeSelector: "rack = 1", healthPort: 1 }, "racks");
  expect(() => parseFelixConfiguration(unreadable)).toThrow("spec.nodeSelector");
  expect(restOfFelixConfiguration(unreadable)).toMatchObject({ spec: { healthPort: 1 } });
});

test.each([undefined, 7, [], {}, { metadata: {} }])("nothing is left of %j", (json) => {
  expect(restOfFelixConfiguration(json)).toBeUndefined();
});

test.each([undefined, null, 7, "text", ["healthPort"]])("an object whose spec is %j sets nothing", (spec) => {
  expect(restOfFelixConfiguration(named(spec))).toMatchObject({ spec: {}, faults: [] });
});

test("a person finds it by each of its names", () => {
  for (const name of ["felixconfiguration", "FelixConfigurations", "felixconfig", "felixconfigs"]) {
    expect(kindCalled(name)?.kind, name).toBe(felixConfiguration.kind);
  }
});
