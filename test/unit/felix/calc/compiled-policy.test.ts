import { expect, test } from "vitest";
import type { KubeNetworkPolicy, KubePeer, KubePort, LabelSelector } from "../../../../src/api/objects.ts";
import { formatSelector } from "../../../../src/api/selector/format-selector.ts";
import { compilePolicy } from "../../../../src/felix/calc/compiled-policy.ts";
import { parseCidr } from "../../../../src/net/cidr.ts";

const everything: LabelSelector = { matchLabels: {}, matchExpressions: [] };
const web: LabelSelector = { matchLabels: { app: "web" }, matchExpressions: [] };

test("no peers and no ports: one rule for everything", () => {
  expect(ingressOf([], [])).toEqual([{ action: "allow", source: {}, destination: {} }]);
});

test("one rule for each protocol and peer, with ports merged into ranges", () => {
  const blocks: KubePeer[] = ["10.0.0.0/8", "fd00::/8"].map((text) => ({
    kind: "block",
    cidr: parseCidr(text),
    except: [parseCidr("10.1.0.0/16")],
  }));
  const rules = ingressOf(blocks, [tcp(81), tcp(80), tcp(90, 100), tcp(95, 120), { ...tcp(53), protocol: "UDP" }]);
  const v4 = { ipVersion: 4, source: { nets: ["10.0.0.0/8"], notNets: ["10.1.0.0/16"] } };
  const v6 = { ipVersion: 6, source: { nets: ["fd00::/8"] } };
  const many = {
    protocol: 6,
    destination: {
      ports: [
        { first: 80, last: 81 },
        { first: 90, last: 120 },
      ],
    },
  };
  const dns = { protocol: 17, destination: { ports: [{ first: 53, last: 53 }] } };
  expect(rules).toEqual(
    [many, many, dns, dns].map((one, index) => ({ action: "allow", ...one, ...[v4, v6][index % 2] })),
  );
});

test("a protocol without a port is all its ports; a named port is none", () => {
  const all: KubePort = { protocol: "SCTP", port: undefined, endPort: undefined };
  expect(ingressOf([], [all, { ...tcp(1), protocol: "SCTP" }])).toMatchObject([{ protocol: 132, destination: {} }]);
  expect(ingressOf([], [{ ...tcp(1), port: "http" }])).toMatchObject([{ destination: { ports: [] } }]);
});

test("egress rules name the peer and the port on the same side", () => {
  const { plan } = compilePolicy({
    ...policy([], []),
    types: ["Egress"],
    egress: [{ peers: [block], ports: [tcp(80)] }],
  });
  expect(plan.egress).toMatchObject([
    { source: {}, destination: { nets: ["10.0.0.0/8"], ports: [{ first: 80, last: 80 }] } },
  ]);
});

test("rules of a direction that the policy is not about do not count", () => {
  const rules = [{ peers: [], ports: [] }];
  const { plan, isolates } = compilePolicy({ ...policy([], []), types: ["Egress"], ingress: rules });
  expect(plan.ingress).toEqual([]);
  expect(isolates).toEqual({ ingress: false, egress: true });
});

test.for<[string, KubePeer, string, string | undefined]>([
  [
    "pods of the policy's namespace",
    { kind: "pods", podSelector: web },
    '(app == "web" && projectcalico.org/namespace == "shop" && projectcalico.org/orchestrator == "k8s")',
    "shop",
  ],
  ["every pod", { kind: "pods", namespaceSelector: everything }, 'projectcalico.org/orchestrator == "k8s"', undefined],
  [
    "pods of some namespaces",
    { kind: "pods", namespaceSelector: web, podSelector: web },
    '(app == "web" && pcns.app == "web" && projectcalico.org/orchestrator == "k8s")',
    undefined,
  ],
])("the set of %s", ([, peer, text, namespace]) => {
  const [source, ...others] = compilePolicy(policy([peer, peer], [])).sets.values();
  expect(others).toEqual([]);
  expect(source && formatSelector(source.selector)).toBe(text);
  expect(source?.namespace).toBe(namespace);
  expect(source?.id).toMatch(/^s:[A-Za-z0-9_-]{23}$/);
});

test("a set has the same name in every process", () => {
  const [id] = compilePolicy(policy([{ kind: "pods", podSelector: web }], [])).sets.keys();
  expect(id).toBe("s:86ND4F8tFMoRxpQqXkyE1Ca");
});

test("a policy that cannot be read closes the namespace", () => {
  const { appliesTo, isolates, plan } = compilePolicy({ rejected: "it has no spec", namespace: "shop", name: "p" });
  expect(appliesTo).toEqual({ kind: "all" });
  expect(isolates).toEqual({ ingress: true, egress: true });
  expect(plan).toEqual({ id: "knp/shop/p", ingress: [], egress: [] });
});

// --- internal ---

const block: KubePeer = { kind: "block", cidr: parseCidr("10.0.0.0/8"), except: [] };

function policy(peers: readonly KubePeer[], ports: readonly KubePort[]): KubeNetworkPolicy {
  return {
    namespace: "shop",
    name: "p",
    podSelector: everything,
    types: ["Ingress"],
    ingress: [{ peers, ports }],
    egress: [],
  };
}

function ingressOf(peers: readonly KubePeer[], ports: readonly KubePort[]) {
  return compilePolicy(policy(peers, ports)).plan.ingress;
}

function tcp(port: number, endPort?: number): KubePort {
  return { protocol: "TCP", port, endPort };
}
