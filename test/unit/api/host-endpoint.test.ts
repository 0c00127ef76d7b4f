import { describe, expect, test } from "vitest";
import { parseHostEndpoint } from "../../../src/api/host-endpoint.ts";
import { restOfHostEndpoint } from "../../../src/api/rest-of-host-endpoint.ts";

const json = (spec: unknown) => ({ metadata: { name: "a", labels: { role: "gateway" } }, spec });

describe("a host endpoint", () => {
  test("by its interface alone has nothing else", () => {
    expect(parseHostEndpoint(json({ node: "node-1", interfaceName: "*" })).spec).toEqual({
      ...{ node: "node-1", interfaceName: "*", expectedIPs: [], profiles: [], ports: [] },
    });
  });

  test("has addresses in canonical form and ports with numbers of protocols", () => {
    const ports = [
      { name: "web", protocol: "TCP", port: 80 },
      { name: "dns", protocol: "17", port: 53 },
      { name: "m3ua", protocol: 132, port: 2905 },
    ];
    const spec = { node: "node-1", expectedIPs: ["10.0.0.1", "2001:DB8::1"], profiles: ["kns.shop"], ports };
    expect(parseHostEndpoint(json(spec)).spec).toEqual({
      ...{ node: "node-1", interfaceName: "", expectedIPs: ["10.0.0.1", "2001:db8::1"], profiles: ["kns.shop"] },
      ports: [
        { name: "web", protocol: 6, port: 80 },
        { name: "dns", protocol: 17, port: 53 },
        { name: "m3ua", protocol: 132, port: 2905 },
      ],
    });
  });
});

describe("of a host endpoint that cannot be read", () => {
  const good = { node: "node-1", interfaceName: "eth0", expectedIPs: ["10.0.0.1"], profiles: ["kns.shop"], ports: [] };

  test("everything remains that can be, so that its interface is not left open", () => {
    const web = { name: "web", protocol: "TCP", port: 80 };
    const bad = json({
      ...good,
      expectedIPs: ["10.0.0.1", "nonsense"],
      profiles: [7, "kns.shop"],
      ports: [{ ...web, protocol: "ICMP" }, web],
    });
    expect(() => parseHostEndpoint(bad)).toThrow("Cannot read HostEndpoint a");
    expect(restOfHostEndpoint(bad)).toMatchObject({
      metadata: { name: "a", labels: { role: "gateway" } },
      spec: { ...good, ports: [{ name: "web", protocol: 6, port: 80 }] },
    });
  });

  test.each([
    [{ interfaceName: "eth*" }, { interfaceName: "" }],
    [
      { interfaceName: undefined, profiles: "all" },
      { interfaceName: "", profiles: [] },
    ],
    [
      { expectedIPs: { a: 1 }, ports: 7 },
      { expectedIPs: [], ports: [] },
    ],
  ])("a field that cannot be counts as empty: %j", (change, expected) => {
    expect(restOfHostEndpoint(json({ ...good, ...change }))?.spec).toEqual({ ...good, ...expected });
  });

  test.each([
    json({ ...good, node: 7 }),
    json({ ...good, node: "" }),
    json({ ...good, interfaceName: "eth*", expectedIPs: ["nonsense"] }),
    json(undefined),
    null,
    [],
  ])("nothing remains when its interface cannot be told: %j", (bad) => {
    expect(restOfHostEndpoint(bad)).toBeUndefined();
  });
});
