import { expect, test } from "vitest";
import { parseSourcePrefixes } from "../../../../src/api/kubernetes/allowed-source-prefixes.ts";

const parse = (text: string) => parseSourcePrefixes({ "cni.projectcalico.org/allowedSourcePrefixes": text });

test("networks of both families, each once and without host bits", () => {
  const networks = ["8.8.8.8/32", "1.1.1.0/24", "2001:db8::/32", "0.0.0.0/0"];
  const text = JSON.stringify(["8.8.8.8/32", "1.1.1.9/24", "2001:DB8::1/32", "1.1.1.0/24", "0.0.0.0/0"]);
  expect(parse(text)).toEqual({ networks, problems: [] });
});

test("nothing and empty text ask for nothing", () => {
  expect(parseSourcePrefixes({})).toEqual({ networks: [], problems: [] });
  expect(parse("")).toEqual({ networks: [], problems: [] });
});

test.for(["no JSON", "{}", "null", '"192.0.2.0/24"', "[7]", `["${"x".repeat(500)}"`])("%s is no list", (text) => {
  const { networks, problems } = parse(text);
  expect(networks).toEqual([]);
  expect(problems).toEqual([expect.stringMatching(/allowedSourcePrefixes is left out: ".{0,100}" is not a list of/)]);
});

test("what is no network is left out, and the others stay", () => {
  const { networks, problems } = parse('["192.0.2.1", "192.0.2.0/33", "", "192.0.2.0/24"]');
  expect(networks).toEqual(["192.0.2.0/24"]);
  expect(problems).toEqual(
    ['"192.0.2.1"', '"192.0.2.0/33"', '""'].map((word) => expect.stringContaining(`${word} is left out`)),
  );
});

test("nobody gets more than 100", () => {
  const many = Array.from({ length: 101 }, (_, index) => `10.0.${index}.0/24`);
  const { networks, problems } = parse(JSON.stringify(many));
  expect(networks).toEqual(many.slice(0, 100));
  expect(problems).toEqual([expect.stringContaining("after the first 100 networks")]);
});

test("however much is wrong, few words are said of it", () => {
  const { problems } = parse(JSON.stringify(Array.from({ length: 100 }, () => "\0".repeat(1000))));
  expect(problems).toHaveLength(4);
  expect(problems.at(-1)).toContain("so are 97 more");
  expect(problems.join("").length).toBeLessThan(2_000);
});
