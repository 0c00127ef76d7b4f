import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { performance } from "node:perf_hooks";
import { pino } from "pino";
import { Felix } from "../../src/agent/felix.ts";
import { type NodeName, namespacedName } from "../../src/api/names.ts";
import { type Attachment, attachmentKey, type Labels } from "../../src/api/objects.ts";
import type { Change } from "../../src/api/snapshot.ts";
import { NodeCalculator } from "../../src/felix/calc/node-calculator.ts";
import { Dataplane } from "../../src/felix/dataplane/dataplane.ts";
import { IptablesRules } from "../../src/felix/dataplane/iptables-rules.ts";
import { NetlinkQdiscDriver } from "../../src/felix/dataplane/qdisc-driver.ts";
import { NetlinkRouteDriver } from "../../src/felix/dataplane/route-driver.ts";
import { printTable } from "../../src/felix/render/iptables.ts";
import { defaultRenderOptions } from "../../src/felix/render/options.ts";
import { systemClock } from "../../src/host/clock.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openSetNetlink } from "../../src/host/netlink/set-netlink.ts";
import { openTrafficControl } from "../../src/host/netlink/traffic-netlink.ts";
import { inNetns } from "../../src/host/netns.ts";
import { parseIp } from "../../src/net/ip.ts";
import { NamespaceHost } from "./namespace-host.ts";
import { makeNamespace, type TestNamespace } from "./netlink-namespaces.ts";

/** The node's own address, which pods speak with. */
const nodeIp = "10.9.9.9";

/** A pod of the node: its namespace, its host interface and its address. */
export interface ShapedPod {
  readonly name: string;
  readonly namespace: TestNamespace;
  readonly hostInterface: string;
  readonly ip: string;
}

/** How a pod is wired: what its attachment says besides. */
export type Wired = Pick<Attachment, "bandwidthPlugin">;

/** A node in a namespace of its own, with the whole of Felix, and pods with one address each. */
export class ShapedNode implements Disposable {
  readonly namespace = makeNamespace();
  /** What was logged with warnings and errors. */
  readonly warnings: string[] = [];
  /** What shaping has asked the kernel, by the names of the calls. */
  readonly requests: string[] = [];
  readonly #netlink = openNetlink(this.namespace.path);
  readonly #setNetlink = openSetNetlink(this.namespace.path);
  readonly #control = openTrafficControl(this.namespace.path);
  readonly #pods: ShapedPod[] = [];
  #felix: Felix | undefined;
  /** How often what nothing uses was taken away. */
  #tidied = 0;

  constructor() {
    this.namespace.ip("link", "set", "lo", "up");
    this.namespace.ip("address", "add", `${nodeIp}/32`, "dev", "lo");
  }

  /** Starts a Felix without memory; an earlier one is stopped. It knows what `changes` say. */
  async start(changes: readonly Change[] = []): Promise<void> {
    this.#felix?.stop();
    this.#felix = new Felix({
      podsToCome: () => 0,
      calculator: new NodeCalculator("node-1" as NodeName),
      dataplane: this.#dataplane(),
      renderOptions: defaultRenderOptions,
      clock: systemClock,
      logger: pino({ level: "warn" }, { write: (line: string) => this.#take(line) }),
    });
    const namespace = { name: "shop", labels: {}, annotations: {} };
    const applied = this.#felix.apply([{ kind: "namespace", key: "shop", value: namespace }, ...changes]);
    await this.#felix.begin();
    await applied;
    await this.apply();
  }

  /** Resolves once the kernel holds the changes, and no more of what they have made useless. */
  async apply(...changes: readonly Change[]): Promise<void> {
    const before = this.#tidied;
    await this.#felix?.apply(changes);
    // What is not used any more goes a little later, if there is anything.
    for (let waited = 0; this.#tidied === before && waited < mostTidyMs; waited += pollMs)
      await systemClock.sleep(pollMs);
  }

  /** Makes a pod's namespace, pair and addresses, as the CNI does. */
  addPod(name: string): ShapedPod {
    const namespace = makeNamespace();
    const pod = { name, namespace, hostInterface: `cali-${name}`, ip: `10.0.0.${this.#pods.length + 1}` };
    this.#pods.push(pod);
    namespace.ip("link", "set", "lo", "up");
    this.wire(pod);
    return pod;
  }

  /** Makes the pod's pair, again if it was there. */
  wire({ namespace, hostInterface, ip }: ShapedPod): void {
    const there = this.namespace.ipJson("link").some((link) => link["ifname"] === hostInterface);
    if (there) this.namespace.ip("link", "del", hostInterface);
    const peer = ["type", "veth", "peer", "name", "eth0", "mtu", "1450", "netns", namespace.name];
    this.namespace.ip("link", "add", hostInterface, "mtu", "1450", ...peer);
    this.namespace.ip("address", "add", "169.254.1.1/32", "dev", hostInterface);
    this.namespace.ip("link", "set", hostInterface, "up");
    namespace.ip("address", "add", `${ip}/32`, "dev", "eth0");
    namespace.ip("link", "set", "eth0", "up");
    namespace.ip("route", "add", "169.254.1.1", "dev", "eth0", "scope", "link");
    namespace.ip("route", "add", "default", "via", "169.254.1.1");
  }

  tc(...args: readonly string[]): string {
    return execFileSync("tc", ["-n", this.namespace.name, ...args], { encoding: "utf8" });
  }

  /** The qdiscs of a link that somebody has put there, as tc names them: `tbf ca11:` … */
  qdiscs(link: string): readonly string[] {
    const shown = this.tc("qdisc", "show", "dev", link).trim().split("\n");
    return shown.flatMap((line) => /^qdisc (\S+ (?!0:)\S+:)/.exec(line)?.[1] ?? []).sort();
  }

  /** The names of the node's ifb devices. */
  ifbs(): readonly string[] {
    return this.namespace.ipJson("link", "show", "type", "ifb").map((link) => String(link["ifname"]));
  }

  /** Sends so many bytes of TCP from the node to the pod, or from the pod to the node; answers megabits a second. */
  async send(direction: "to pod" | "from pod", pod: ShapedPod, bytes: number): Promise<number> {
    const [from, to, ip] =
      direction === "to pod" ? [this.namespace, pod.namespace, pod.ip] : [pod.namespace, this.namespace, nodeIp];
    // Without a host the socket is bound before `listen` returns, so it belongs to that namespace.
    const listener = inNetns(to.path, () => createServer().listen(0));
    try {
      const { port } = listener.address() as AddressInfo;
      const argv = [process.execPath, "-e", sendScript, ip, `${port}`, `${bytes}`];
      const sender = spawn("nsenter", [`--net=${from.path}`, ...argv], { stdio: "inherit" });
      const ended = once(sender, "close");
      const [socket] = await once(listener, "connection", { signal: AbortSignal.timeout(20_000) });
      const startedAt = performance.now();
      let received = 0;
      for await (const chunk of socket) received += chunk.length;
      const seconds = (performance.now() - startedAt) / 1000;
      await ended;
      if (received !== bytes) throw new Error(`${received} of ${bytes} bytes came`);
      return (bytes * 8) / seconds / 1e6;
    } finally {
      listener.close();
    }
  }

  [Symbol.dispose](): void {
    this.#felix?.stop();
    for (const one of [this.#netlink, this.#setNetlink, this.#control]) one.close();
    for (const { namespace } of this.#pods) namespace[Symbol.dispose]();
    this.namespace[Symbol.dispose]();
  }

  #dataplane(): Dataplane {
    const host = new NamespaceHost(this.namespace.name);
    const [netlink, trafficControl] = [recorded(this.#netlink, this.requests), recorded(this.#control, this.requests)];
    const parts = { netlink, trafficControl, interfacePrefix: "cali" };
    const dataplane = new Dataplane({
      rules: new IptablesRules({ host, sets: this.#setNetlink, print: printTable }),
      routes: new NetlinkRouteDriver(this.#netlink, "cali"),
      shapings: new NetlinkQdiscDriver({ ...parts, onRefused: (_, error) => this.warnings.push(error.message) }),
    });
    const tidy = dataplane.tidy.bind(dataplane);
    dataplane.tidy = (state) => tidy(state).finally(() => this.#tidied++);
    return dataplane;
  }

  #take(line: string): void {
    const { msg, problems = [], err } = JSON.parse(line);
    this.warnings.push([msg, ...problems, ...(err === undefined ? [] : [err.message])].join(": "));
  }
}

/** The pod as the API server has it. */
export function podChange({ name, ip }: ShapedPod, annotations: Labels): Change {
  const key = namespacedName("shop", name);
  const value = {
    ...{ namespace: "shop", name, uid: `uid-${name}`, labels: {}, annotations, node: "node-1" as NodeName },
    ...{
      serviceAccount: "default",
      ips: [parseIp(ip)],
      annotatedIps: [],
      hostNetwork: false,
      namedPorts: [],
      finished: false,
    },
  };
  return { kind: "pod", key, value };
}

/** The pod as the CNI has wired it, or that it is no more. */
export function attachmentChange({ name, ip, hostInterface, namespace }: ShapedPod, wired: Wired | undefined): Change {
  const value: Attachment = {
    ...{ containerId: `c-${name}`, interfaceName: "eth0", hostInterface, netns: namespace.path },
    ...{ pod: namespacedName("shop", name), podUid: `uid-${name}`, addresses: [parseIp(ip)], mtu: 1450, ...wired },
  };
  return { kind: "attachment", key: attachmentKey(value), value: wired === undefined ? undefined : value };
}

// --- internal ---

const pollMs = 5;
const mostTidyMs = 1500;

/** The same object, whose calls are noted by name. */
function recorded<T extends object>(real: T, calls: string[]): T {
  return new Proxy(real, {
    get: (target, name) => {
      const member: unknown = Reflect.get(target, name);
      if (typeof member !== "function") return member;
      calls.push(String(name));
      return member.bind(target);
    },
  });
}

const sendScript = `
  const [, ip, port, bytes] = process.argv;
  const chunk = Buffer.alloc(65536);
  const socket = require("node:net").connect({ host: ip, port: Number(port) }, () => {
    let left = Number(bytes);
    const write = () => {
      while (left > 0) {
        const size = Math.min(left, chunk.length);
        left -= size;
        if (!socket.write(chunk.subarray(0, size))) return socket.once("drain", write);
      }
      socket.end();
    };
    write();
  });
`;
