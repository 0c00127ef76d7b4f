import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { killChild } from "./kill-child.ts";

const execute = promisify(execFile);

/** A machine of the fabric: its own network namespace, and a folder for its BIRD. */
export interface FabricHost {
  readonly name: string;
  readonly netns: string;
  readonly socketPath: string;
  readonly configPath: string;
}

/**
 * Namespaces that are this process's own, with a router between racks:
 *
 *     node-1 ── rack1 (172.18.1.0/24) ── router ── rack2 (172.18.2.0/24) ── node-3
 *     node-2 ──┘
 *
 * Disposing ends every BIRD that was started here and removes the namespaces. Several may be there at once.
 */
export class BgpFabric implements AsyncDisposable {
  readonly #folder: string;
  readonly #prefix = `margaybgp-${process.pid}-${++made}-`;
  readonly #namespaces: string[] = [];
  readonly #birds = new Map<string, ChildProcess>();

  static async create(): Promise<BgpFabric> {
    abandonedRemoved ??= removeAbandoned();
    await abandonedRemoved;
    return new BgpFabric(await mkdtemp(join(tmpdir(), "margaybgp-")));
  }

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** A namespace that forwards between one bridge for each rack, with addresses in CIDR form. */
  async addRouter(racks: Readonly<Record<string, string>>): Promise<FabricHost> {
    const router = await this.#addHost("router");
    for (const [rack, address] of Object.entries(racks)) {
      await this.ip(router, "link", "add", rack, "type", "bridge");
      await this.ip(router, "address", "add", address, "dev", rack);
      await this.ip(router, "link", "set", rack, "up");
    }
    await this.run(router, "sysctl", "-qw", "net.ipv4.ip_forward=1");
    return router;
  }

  async addNode(
    name: string,
    router: FabricHost,
    link: { rack: string; address: string; gateway: string },
  ): Promise<FabricHost> {
    const node = await this.#addHost(name);
    const pair = ["type", "veth", "peer", "name", "eth0", "netns", node.netns];
    await this.ip(router, "link", "add", name, ...pair);
    await this.ip(router, "link", "set", name, "up", "master", link.rack);
    await this.ip(node, "address", "add", link.address, "dev", "eth0");
    await this.ip(node, "link", "set", "eth0", "up");
    await this.ip(node, "route", "add", "default", "via", link.gateway);
    return node;
  }

  ip(host: FabricHost, ...argv: readonly string[]): Promise<string> {
    return output("ip", "-n", host.netns, ...argv);
  }

  run(host: FabricHost, ...argv: readonly string[]): Promise<string> {
    return output("ip", "netns", "exec", host.netns, ...argv);
  }

  /** The routes of the main table that BIRD wrote, as `destination via gateway` or `blackhole destination`, sorted. */
  async birdRoutes(host: FabricHost): Promise<readonly string[]> {
    const text = await this.ip(host, "-json", "route", "show", "proto", "bird");
    const routes = JSON.parse(text) as { dst: string; gateway?: string; type?: string }[];
    return routes.map(({ dst, gateway, type }) => (type ? `${type} ${dst}` : `${dst} via ${gateway}`)).sort();
  }

  /**
   * Starts a BIRD by the host's configuration file, as a container does: in the foreground, and recovering (`-R`); or `afresh`,
   * so that it writes routes without waiting for every neighbour.
   */
  async startBird(host: FabricHost, afresh?: "afresh"): Promise<void> {
    const log = await open(join(this.#folder, `${host.name}.log`), "a");
    // BIRD dies with this process, even if that is killed.
    const mode = afresh ? [] : ["-R"];
    const bird = ["bird", "-f", ...mode, "-c", host.configPath, "-s", host.socketPath];
    const argv = ["netns", "exec", host.netns, "setpriv", "--pdeathsig", "KILL", ...bird];
    const child = spawn("ip", argv, { stdio: ["ignore", log.fd, log.fd] });
    await once(child, "spawn");
    await log.close();
    this.#birds.set(host.name, child);
  }

  /** Ends the host's BIRD at once, so that it has no time to withdraw anything. */
  async killBird(host: FabricHost): Promise<void> {
    const child = this.#birds.get(host.name);
    this.#birds.delete(host.name);
    if (child) await killChild(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#birds.values()].map(killChild));
    for (const netns of this.#namespaces) await output("ip", "netns", "delete", netns);
    await rm(this.#folder, { recursive: true });
  }

  async #addHost(name: string): Promise<FabricHost> {
    const netns = `${this.#prefix}${name}`;
    await output("ip", "netns", "add", netns);
    this.#namespaces.push(netns);
    await output("ip", "-n", netns, "link", "set", "lo", "up");
    const socketPath = join(this.#folder, `${name}.ctl`);
    return { name, netns, socketPath, configPath: join(this.#folder, `${name}.conf`) };
  }
}

// --- internal ---

/** How many this process has made. */
let made = 0;
let abandonedRemoved: Promise<void> | undefined;

/** Namespaces of test processes that were killed. */
async function removeAbandoned(): Promise<void> {
  const names = (await output("ip", "netns", "list")).match(/^margaybgp-\d+-[\w-]+/gm) ?? [];
  for (const name of names) {
    const pid = Number(name.split("-")[1]);
    if (!isAlive(pid)) await output("ip", "netns", "delete", name);
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

async function output(program: string, ...argv: readonly string[]): Promise<string> {
  return (await execute(program, argv)).stdout;
}
