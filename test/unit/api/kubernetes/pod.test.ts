import { describe, expect, test } from "vitest";
import { parsePod } from "../../../../src/api/kubernetes/pod.ts";

interface Changes {
  readonly metadata?: object;
  readonly spec?: object;
  readonly status?: object;
}

function pod({ metadata = {}, spec = {}, status }: Changes = {}) {
  return {
    metadata: { namespace: "shop", name: "web-0", uid: "u1", ...metadata },
    spec: { containers: [{ name: "main" }], ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

const annotations = (more: Record<string, string>) => ({ annotations: more });
const podIp = "cni.projectcalico.org/podIP";
const podIps = "cni.projectcalico.org/podIPs";

test("a pod that was just made has nothing yet", () => {
  expect(parsePod(pod())).toEqual({
    namespace: "shop",
    name: "web-0",
    uid: "u1",
    labels: {},
    annotations: {},
    node: undefined,
    serviceAccount: "default",
    ips: [],
    annotatedIps: [],
    hostNetwork: false,
    namedPorts: [],
    finished: false,
  });
});

test("a bound pod has its node, account and network", () => {
  const spec = { nodeName: "node-1", serviceAccountName: "web", hostNetwork: true };
  const metadata = { labels: { app: "web" }, ...annotations({ a: "b" }) };
  expect(parsePod(pod({ metadata, spec }))).toMatchObject({
    node: "node-1",
    serviceAccount: "web",
    hostNetwork: true,
    labels: { app: "web" },
    annotations: { a: "b" },
  });
});

describe("namedPorts", () => {
  const ports = (...given: object[]) => ({ name: "c", ports: given });

  test("are those of containers, then of init containers, TCP unless they say otherwise", () => {
    const containers = [
      ports({ name: "http", containerPort: 80 }, { containerPort: 81 }, { name: "", containerPort: 82 }),
      ports({ name: "dns", containerPort: 53, protocol: "UDP" }, { name: "http", containerPort: 8080 }),
    ];
    const initContainers = [ports({ name: "m3ua", containerPort: 2905, protocol: "SCTP" }), { name: "no-ports" }];
    expect(parsePod(pod({ spec: { containers, initContainers } })).namedPorts).toEqual([
      { name: "http", protocol: 6, port: 80 },
      { name: "dns", protocol: 17, port: 53 },
      { name: "http", protocol: 6, port: 8080 },
      { name: "m3ua", protocol: 132, port: 2905 },
    ]);
  });

  test.each([
    [{ name: "http", containerPort: 0 }, "spec.containers[0].ports[0].containerPort is 0: it must be at least 1"],
    [{ name: "http", containerPort: 80, protocol: "ICMP" }, 'spec.containers[0].ports[0].protocol is "ICMP"'],
    [{ name: "http" }, "spec.containers[0].ports[0].containerPort is missing"],
  ])("that are malformed make the pod unreadable: %j", (port, sentence) => {
    expect(() => parsePod(pod({ spec: { containers: [ports(port)] } }))).toThrow(sentence);
  });
});

describe("ips", () => {
  const both = annotations({ [podIps]: "10.0.0.3/32, 2001:DB8::3/128", [podIp]: "10.0.0.4/32" });

  test.each([
    [
      "status.podIPs",
      { podIPs: [{ ip: "10.0.0.1" }, { ip: "2001:DB8::1" }], podIP: "10.0.0.2" },
      both,
      ["10.0.0.1", "2001:db8::1"],
    ],
    ["status.podIP", { podIPs: [], podIP: "10.0.0.2" }, both, ["10.0.0.2"]],
    ["nowhere else: an annotation is whatever its author likes", { podIP: "" }, both, []],
  ])("come from %s", (_, status, metadata, expected) => {
    expect(parsePod(pod({ metadata, status })).ips).toEqual(expected);
  });

  test.each([
    ["the annotation podIPs", both, {}, ["10.0.0.3", "2001:db8::3"]],
    ["podIP when podIPs is empty", annotations({ [podIps]: "", [podIp]: "10.0.0.4/32" }), {}, ["10.0.0.4"]],
    ["no annotation once the status has any", both, { podIP: "10.0.0.2" }, []],
    ["no annotation that names a network", annotations({ [podIps]: "10.0.0.0/24" }), {}, []],
    ["no annotation with something else in it", annotations({ [podIps]: "10.0.0.3/32,x" }), {}, []],
    ["no annotation with two of one family", annotations({ [podIps]: "10.0.0.3/32,10.0.0.4/32" }), {}, []],
    ["no endless annotation", annotations({ [podIp]: `${" ".repeat(200)}10.0.0.3/32` }), {}, []],
    ["no annotation that was emptied", annotations({ [podIps]: "", [podIp]: "" }), {}, []],
  ])("that are only annotated come from %s", (_, metadata, status, expected) => {
    expect(parsePod(pod({ metadata, status })).annotatedIps).toEqual(expected);
  });

  test("that are no addresses make the pod unreadable, and the message says where", () => {
    expect(() => parsePod(pod({ status: { podIPs: [{ ip: "10.0.0.1" }, { ip: "x" }] } }))).toThrow(
      'Cannot read Pod shop/web-0: status.podIPs[1].ip is "x": it must be an IPv4 or IPv6 address',
    );
  });
});

describe("finished", () => {
  const deleted = { deletionTimestamp: "2026-01-02T03:04:05Z" };

  test.each([
    ["Failed", { status: { phase: "Failed" } }, true],
    ["Succeeded", { status: { phase: "Succeeded" } }, true],
    ["Running", { status: { phase: "Running" } }, false],
    ["Running, to be deleted", { metadata: deleted, status: { phase: "Running" } }, false],
    ["to be deleted, with an address", { metadata: { ...deleted, ...annotations({ [podIp]: "10.0.0.1/32" }) } }, false],
    ["to be deleted, its address given back", { metadata: { ...deleted, ...annotations({ [podIp]: "" }) } }, true],
    ["not to be deleted, no address", { metadata: annotations({ [podIp]: "" }) }, false],
  ])("%s", (_, changes, expected) => {
    expect(parsePod(pod(changes)).finished).toBe(expected);
  });
});
