import { describe, expect, test } from "vitest";
import { parseDscp } from "../../../../src/api/kubernetes/dscp.ts";

const parse = (text: string) => parseDscp({ "qos.projectcalico.org/dscp": text });

describe("code points", () => {
  test.for([
    ["0", 0],
    ["63", 63],
    ["DF", 0],
    ["ef", 46],
    ["AF11", 10],
    ["AF23", 22],
    [" af43 ", 38],
    ["CS1", 8],
    ["CS6", 48],
  ] as const)("%s is %i", ([text, dscp]) => {
    expect(parse(text)).toEqual({ dscp, problems: [] });
  });

  test.for(["64", "-1", "1.5", "010", "", "AF14", "CS7", "x".repeat(500)])("%s is none", (text) => {
    const { dscp, problems } = parse(text);
    expect(dscp).toBeUndefined();
    expect(problems).toEqual([
      expect.stringMatching(/^qos\.projectcalico\.org\/dscp is left out: ".{0,80}" is neither/),
    ]);
  });

  test("without the annotation nothing is asked for", () => {
    expect(parseDscp({})).toEqual({ dscp: undefined, problems: [] });
  });
});
