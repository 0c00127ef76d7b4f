import { describe, expect, test } from "vitest";
import { type Candidate, detectAddress, parseDetectionMethod } from "../../../../src/agent/node/detection-method.ts";
import { parseIp } from "../../../../src/net/ip.ts";

const address = (name: string, text: string): Candidate => {
  const [ip = "", length] = text.split("/");
  return { interface: name, ip: parseIp(ip), prefixLength: Number(length) };
};

const candidates = [
  address("lo", "127.0.0.1/8"),
  address("lo", "10.9.9.9/32"),
  address("docker0", "172.17.0.1/16"),
  address("cali123", "169.254.1.1/32"),
  address("eth0", "169.254.7.7/16"),
  address("eth0", "172.18.1.11/24"),
  address("eth0", "172.18.1.12/24"),
  address("eth1", "10.0.0.5/16"),
  address("ens5", "192.0.2.5/28"),
  address("eth0", "fe80::1/64"),
  address("eth1", "fd00:18::5/64"),
];

function found(method: string, version: 4 | 6 = 4, more: { internal?: string[]; source?: string } = {}) {
  const internalIps = (more.internal ?? []).map(parseIp);
  const sourceIp = more.source === undefined ? undefined : parseIp(more.source);
  const one = detectAddress(parseDetectionMethod(method), version, { candidates, internalIps, sourceIp });
  return one && `${one.interface} ${one.ip}/${one.prefixLength}`;
}

describe("a node's address", () => {
  test.each([
    ["first-found", "eth0 172.18.1.11/24"],
    ["interface=eth1", "eth1 10.0.0.5/16"],
    ["interface=ens.*,eth.*", "ens5 192.0.2.5/28"],
    ["interface=bond0, eth1", "eth1 10.0.0.5/16"],
    // As upstream, a person may name what is otherwise left out, and an expression matches anywhere in the name.
    ["interface=docker", "docker0 172.17.0.1/16"],
    ["interface=th1", "eth1 10.0.0.5/16"],
    ["interface=bond0", undefined],
    ["skip-interface=eth0", "eth1 10.0.0.5/16"],
    ["skip-interface=eth.*,ens", undefined],
    ["cidr=10.0.0.0/8", "eth1 10.0.0.5/16"],
    ["cidr=203.0.113.0/24,192.0.2.0/24", "ens5 192.0.2.5/28"],
    ["cidr=203.0.113.0/24", undefined],
  ])("by %s is %s", (method, expected) => {
    expect(found(method)).toBe(expected);
  });

  test("is one of the family that is asked for", () => {
    expect(found("first-found", 6)).toBe("eth1 fd00:18::5/64");
    expect(found("interface=eth0", 6)).toBeUndefined();
    expect(found("kubernetes-internal-ip", 6, { internal: ["172.18.1.12"] })).toBeUndefined();
  });

  test("by kubernetes-internal-ip is the Node's, with the length that the machine gives it, if it has it", () => {
    expect(found("kubernetes-internal-ip", 4, { internal: ["fd00:18::5", "172.18.1.12"] })).toBe("eth0 172.18.1.12/24");
    expect(found("kubernetes-internal-ip", 4, { internal: ["203.0.113.7"] })).toBe(" 203.0.113.7/32");
    expect(found("kubernetes-internal-ip")).toBeUndefined();
  });

  test("by can-reach is the one that the kernel sends from", () => {
    expect(found("can-reach=192.0.2.1", 4, { source: "192.0.2.5" })).toBe("ens5 192.0.2.5/28");
    expect(found("can-reach=192.0.2.1")).toBeUndefined();
    expect(found("can-reach=localhost", 4, { source: "127.0.0.1" })).toBeUndefined();
  });
});

test.each([
  ["first", "it must be first-found, kubernetes-internal-ip, can-reach=DESTINATION"],
  ["interface=", "it must be"],
  ["interface=(", "as a regular expression"],
  ["cidr=10.0.0.0/8,here", "here"],
])("%s is refused", (text, reason) => {
  expect(() => parseDetectionMethod(text)).toThrow(reason);
});
