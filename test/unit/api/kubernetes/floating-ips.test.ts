import { expect, test } from "vitest";
import { parseFloatingIps } from "../../../../src/api/kubernetes/floating-ips.ts";

const parse = (text: string) => parseFloatingIps({ "cni.projectcalico.org/floatingIPs": text });

test("addresses of both families, each once and in canonical form", () => {
  const ips = ["192.0.2.1", "2001:db8::1", "192.0.2.1"];
  expect(parse('["192.0.2.1", "2001:DB8:0::1", "192.0.2.1"]')).toEqual({ ips: ips.slice(0, 2), problems: [] });
});

test("nothing and empty text ask for nothing", () => {
  expect(parseFloatingIps({})).toEqual({ ips: [], problems: [] });
  expect(parse("")).toEqual({ ips: [], problems: [] });
});

test.for(["no JSON", "{}", "null", '"192.0.2.1"', "[7]", `["${"x".repeat(500)}"`])("%s is no list", (text) => {
  const { ips, problems } = parse(text);
  expect(ips).toEqual([]);
  expect(problems).toEqual([expect.stringMatching(/floatingIPs is left out: ".{0,100}" is not a list of addresses/)]);
});

test("what is no address is left out, and the others stay", () => {
  const { ips, problems } = parse('["192.0.2.1/32", "", "192.0.2.2"]');
  expect(ips).toEqual(["192.0.2.2"]);
  expect(problems).toEqual([
    expect.stringContaining('"192.0.2.1/32" is left out'),
    expect.stringContaining('"" is left out'),
  ]);
});

test("nobody gets more than 32", () => {
  const many = Array.from({ length: 300 }, (_, index) => `10.0.${index >> 8}.${index & 255}`);
  const { ips, problems } = parse(JSON.stringify(many));
  expect(ips).toEqual(many.slice(0, 32));
  expect(problems).toEqual([expect.stringContaining("after the first 32 addresses")]);
});
