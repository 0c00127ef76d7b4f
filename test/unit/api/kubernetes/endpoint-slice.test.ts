import { expect, test } from "vitest";
import { parseEndpointSlice } from "../../../../src/api/kubernetes/endpoint-slice.ts";
import { parseServiceAccount } from "../../../../src/api/kubernetes/service-account.ts";

const labels = { "kubernetes.io/service-name": "web" };
const slice = (rest: object, metadata: object = { labels }) => ({
  metadata: { namespace: "shop", name: "web-x7", ...metadata },
  addressType: "IPv4",
  ...rest,
});

test("a slice has the addresses of all endpoints, ready or not, and the ports that have a number", () => {
  const endpoints = [
    { addresses: ["10.0.0.1", "10.0.0.2"], conditions: { ready: true } },
    { addresses: ["10.0.0.3"], conditions: { ready: false, serving: true, terminating: true }, nodeName: "node-1" },
  ];
  const ports = [{ port: 80 }, { port: 53, protocol: "UDP", name: "dns" }, { name: "any" }, { port: null }];
  expect(parseEndpointSlice(slice({ endpoints, ports }))).toEqual({
    namespace: "shop",
    name: "web-x7",
    service: "web",
    addresses: ["10.0.0.1", "10.0.0.2", "10.0.0.3"],
    endpoints: [
      { addresses: ["10.0.0.1", "10.0.0.2"], node: undefined, ready: true, serving: true, terminating: false },
      { addresses: ["10.0.0.3"], node: "node-1", ready: false, serving: true, terminating: true },
    ],
    ports: [
      { protocol: 6, port: 80 },
      { protocol: 17, port: 53 },
    ],
  });
});

test.each([
  [slice({}), { addresses: [], ports: [] }],
  [slice({ endpoints: null, ports: null }), { addresses: [], ports: [] }],
  [slice({ endpoints: [{ addresses: ["2001:DB8::1"] }], addressType: "IPv6" }), { addresses: ["2001:db8::1"] }],
  [slice({ endpoints: [{ addresses: ["example.org"] }], addressType: "FQDN" }), { addresses: [], endpoints: [] }],
  [
    slice({ endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready: null, serving: false }, nodeName: "" }] }),
    { endpoints: [{ addresses: ["10.0.0.1"], node: undefined, ready: true, serving: false, terminating: false }] },
  ],
  [slice({}, {}), { service: undefined }],
  [slice({}, { labels: { "kubernetes.io/service-name": "" } }), { service: undefined }],
])("%j", (json, expected) => {
  expect(parseEndpointSlice(json)).toMatchObject(expected);
});

test.each([
  [{ endpoints: [{ addresses: ["10.0.0.1"] }, { addresses: ["10.0.0.1", "x"] }] }, 'endpoints[1].addresses[1] is "x"'],
  [{ ports: [{ port: 65536 }] }, "ports[0].port is 65536"],
  [{ ports: [{ port: 80, protocol: "ICMP" }] }, "ports[0].protocol"],
  [{ addressType: "MAC" }, "addressType"],
])("a malformed one is refused, with the place: %j", (rest, sentence) => {
  expect(() => parseEndpointSlice(slice(rest))).toThrow(`Cannot read EndpointSlice shop/web-x7: ${sentence}`);
});

test("a service account has its labels", () => {
  const metadata = { namespace: "shop", name: "web", labels: { team: "a" } };
  expect(parseServiceAccount({ metadata, secrets: [] })).toEqual(metadata);
  expect(() => parseServiceAccount({ metadata: { name: "web" } })).toThrow("metadata.namespace is missing");
});
