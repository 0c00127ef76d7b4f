import { expect, test } from "vitest";
import { type BgpFilterSpec, closedBgpFilter, parseBgpFilter } from "../../../src/api/bgp-filter.ts";

const filter = (spec: unknown) => ({ metadata: { name: "racks" }, spec });
const lists = ["exportV4", "importV4", "exportV6", "importV6"] as const satisfies (keyof BgpFilterSpec)[];

test("a list that is absent has no rules, and networks and AS numbers come in one form", () => {
  const rule = { cidr: "10.0.0.7/8", matchOperator: "In", asPathPrefix: ["1.10", 7], action: "Accept" };
  expect(parseBgpFilter(filter({ importV4: [rule] }))).toEqual({
    metadata: expect.objectContaining({ name: "racks" }),
    spec: {
      importV4: [{ cidr: "10.0.0.0/8", matchOperator: "In", asPathPrefix: [65546, 7], action: "Accept" }],
      ...{ exportV4: [], exportV6: [], importV6: [] },
    },
  });
});

test.each([
  ["exportV4", "2001:db8::/32", "it must be an IPv4 network"],
  ["importV6", "10.0.0.0/8", "it must be an IPv6 network"],
])("%s takes no network of the other family", (list, cidr, sentence) => {
  const rule = { cidr, matchOperator: "In", action: "Accept" };
  expect(() => parseBgpFilter(filter({ [list]: [rule] }))).toThrow(sentence);
});

test.each([0, "0", "x", 4294967296])("no path has the AS number %j", (number) => {
  const operations = [{ prependASPath: { prefix: [number] } }];
  expect(() => parseBgpFilter(filter({ exportV4: [{ action: "Accept", operations }] }))).toThrow("an AS number");
  expect(() => parseBgpFilter(filter({ exportV4: [{ action: "Accept", asPathPrefix: [number] }] }))).toThrow(
    "AS number",
  );
});

test("a filter that cannot be read rejects every route both ways, and says why", () => {
  const json = filter({ exportV4: [{ action: "Accept" }], importV4: [{ action: "Maybe" }] });
  expect(() => parseBgpFilter(json)).toThrow("Cannot read BGPFilter racks: spec.importV4[0].action");
  const closed = closedBgpFilter(json, "why");
  expect(closed).toMatchObject({ metadata: { name: "racks" }, unreadable: "why" });
  for (const list of lists) expect(closed?.spec[list]).toEqual([{ action: "Reject", asPathPrefix: [] }]);
  expect(closedBgpFilter({ spec: {} }, "why")).toBeUndefined();
});
