import { expect, test } from "vitest";
import { recordNetwork } from "../../../src/api/ipam-record.ts";
import { restOfIpReservation } from "../../../src/api/rest-of-ip-reservation.ts";

test("of a reservation that cannot be read, what can be read stays reserved", () => {
  const json = { metadata: { name: "r" }, spec: { reservedCIDRs: ["10.0.0.0/30", "x", 7, "10.0.1.9"] } };
  expect(restOfIpReservation(json)?.spec).toEqual({ reservedCIDRs: ["10.0.0.0/30", "10.0.1.9/32"] });
  expect(restOfIpReservation(json)?.metadata).toMatchObject({ name: "r", labels: {} });
});

test.each([[{ metadata: { name: "r" }, spec: { reservedCIDRs: "10.0.0.0/30" } }], [{}], [null]])(
  "of %j nothing can be read",
  (json) => {
    expect(restOfIpReservation(json)).toBeUndefined();
  },
);

test.each([
  [{ spec: { cidr: "10.0.0.0/26", allocations: "nonsense" } }, "10.0.0.0/26"],
  [{ spec: { cidr: "10.0.0.5/26", deleted: "perhaps" } }, "10.0.0.0/26"],
  [{ spec: { cidr: "10.0.0.0/26", deleted: true } }, "gone"],
  [{ spec: { cidr: "nonsense" } }, undefined],
  [{}, undefined],
])("the network of the record %j is %s", (json, network) => {
  expect(recordNetwork(json)).toBe(network);
});
