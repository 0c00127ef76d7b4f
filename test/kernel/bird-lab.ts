import { writeFile } from "node:fs/promises";
import { vi } from "vitest";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { BgpFabric, type FabricHost } from "./bgp-fabric.ts";

/** A route as BIRD shows it, in what its neighbours see of it. */
export interface ShownRoute {
  readonly localPref: number;
  readonly nextHop: string;
  /** AS numbers with blanks between, as BIRD prints them. */
  readonly path: string;
  /** Communities and large ones, each as BIRD prints it: `(65000,1)`, `(65000, 1, 2)`. */
  readonly communities: readonly string[];
  readonly med: number | undefined;
  readonly preference: number;
}

/** Some machines on one network, 172.18.1.0/24, each with a BIRD that a test writes the configuration of. */
export class BirdLab implements AsyncDisposable {
  readonly #fabric: BgpFabric;
  readonly #hosts: ReadonlyMap<string, FabricHost>;
  readonly #running = new Set<string>();

  /** Machines by name, with their own addresses; a machine may have more than one. */
  static async create(machines: Readonly<Record<string, readonly string[]>>): Promise<BirdLab> {
    const fabric = await BgpFabric.create();
    const router = await fabric.addRouter({ rack1: "172.18.1.254/24" });
    const hosts = new Map<string, FabricHost>();
    for (const [name, [address = "", ...more]] of Object.entries(machines)) {
      const link = { rack: "rack1", address: `${address}/24`, gateway: "172.18.1.254" };
      const host = await fabric.addNode(name, router, link);
      for (const other of more) await fabric.ip(host, "address", "add", `${other}/24`, "dev", "eth0");
      hosts.set(name, host);
    }
    return new BirdLab(fabric, hosts);
  }

  private constructor(fabric: BgpFabric, hosts: ReadonlyMap<string, FabricHost>) {
    this.#fabric = fabric;
    this.#hosts = hosts;
  }

  /** Has a machine's BIRD work by `text`: it is started, or reconfigured. Resolves when it answers. */
  async configure(name: string, text: string): Promise<void> {
    const host = this.#host(name);
    await writeFile(host.configPath, text);
    if (this.#running.has(name)) {
      await this.ask(name, "configure");
      return;
    }
    await this.#fabric.startBird(host);
    this.#running.add(name);
    await eventually(() => this.ask(name, "show status"));
  }

  /** Makes one machine a pod of another: reached by `cali0` there, and by nothing else, at `address`. */
  async makePod(pod: string, node: string, address: string): Promise<void> {
    await this.ip(pod, "link", "set", "eth0", "down");
    const end = ["type", "veth", "peer", "name", "eth1", "netns", this.#host(pod).netns];
    await this.ip(node, "link", "add", "cali0", ...end);
    await this.ip(node, "link", "set", "cali0", "up");
    await this.run(node, "sysctl", "-qw", "net.ipv4.conf.cali0.proxy_arp=1", "net.ipv4.neigh.cali0.proxy_delay=0");
    await this.run(node, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    await this.ip(node, "route", "add", `${address}/32`, "dev", "cali0", "metric", "1024");
    await this.ip(pod, "address", "add", `${address}/32`, "dev", "eth1");
    await this.ip(pod, "link", "set", "eth1", "up");
    await this.ip(pod, "route", "add", "169.254.1.1", "dev", "eth1", "scope", "link");
    await this.ip(pod, "route", "add", "default", "via", "169.254.1.1", "dev", "eth1");
  }

  /** The lines of BIRD's answer. */
  async ask(name: string, command: string): Promise<readonly string[]> {
    using control = await BirdControl.connect(this.#host(name).socketPath);
    return (await control.command(command)).lines.map(({ text }) => text);
  }

  ip(name: string, ...argv: readonly string[]): Promise<string> {
    return this.#fabric.ip(this.#host(name), ...argv);
  }

  run(name: string, ...argv: readonly string[]): Promise<string> {
    return this.#fabric.run(this.#host(name), ...argv);
  }

  /** What the kernel of a machine has of BIRD, as `destination via gateway`, sorted. */
  birdRoutes(name: string): Promise<readonly string[]> {
    return this.#fabric.birdRoutes(this.#host(name));
  }

  /** The state of each session, as `show protocols` ends with it, such as `Established`; empty when it is down. */
  async states(name: string): Promise<ReadonlyMap<string, string>> {
    const rows = (await this.ask(name, "show protocols")).map((line) =>
      /^(\S+) +BGP +\S+ +\S+ +(?:[\d-]{10} )?[\d:.]+ *(.*)$/.exec(line),
    );
    return new Map(rows.flatMap((row) => (row ? [[row[1] as string, (row[2] as string).trim()] as const] : [])));
  }

  /** Resolves once every session of a machine is established, but for those that must not be. */
  async established(name: string, ...but: readonly string[]): Promise<void> {
    await eventually(async () => {
      const states = await this.states(name);
      const missing = [...states].filter(([session, state]) => !but.includes(session) && state !== "Established");
      if (states.size === 0 || missing.length > 0) throw new Error(`${name}: not established: ${missing.join("; ")}`);
    });
  }

  /** The routes that a machine has accepted by one protocol. */
  async routes(name: string, protocol: string): Promise<Readonly<Record<string, ShownRoute>>> {
    return parseRoutes(await this.ask(name, `show route all protocol ${protocol}`));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#fabric[Symbol.asyncDispose]();
  }

  #host(name: string): FabricHost {
    const host = this.#hosts.get(name);
    if (!host) throw new Error(`there is no machine ${name}`);
    return host;
  }
}

export function eventually<T>(check: () => Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 90_000, interval: 100 });
}

// --- internal ---

function parseRoutes(lines: readonly string[]): Readonly<Record<string, ShownRoute>> {
  const routes: Record<string, ShownRoute> = {};
  let net = "";
  for (const line of lines) {
    const head = /^([\d.:a-f]+\/\d+) .*\((\d+)(?:\/\S+)?\)/.exec(line);
    if (head) {
      net = head[1] as string;
      routes[net] = {
        ...{ localPref: 0, nextHop: "", path: "", communities: [], med: undefined, preference: Number(head[2]) },
      };
      continue;
    }
    const route = routes[net];
    if (route) routes[net] = { ...route, ...attributeOf(line.trim(), route) };
  }
  return routes;
}

function attributeOf(line: string, route: ShownRoute): Partial<ShownRoute> {
  const [, name, value = ""] = /^BGP\.(\w+): ?(.*)$/.exec(line) ?? [];
  if (name === "local_pref") return { localPref: Number(value) };
  if (name === "med") return { med: Number(value) };
  if (name === "next_hop") return { nextHop: value };
  if (name === "as_path") return { path: value };
  if (name === "community") return { communities: [...route.communities, ...value.split(" ")] };
  if (name === "large_community") return { communities: [...route.communities, ...(value.match(/\([^)]*\)/g) ?? [])] };
  return {};
}
