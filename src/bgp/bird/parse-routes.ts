import { type Cidr, parseCidr } from "../../net/cidr.ts";
import { type Ip, parseIp } from "../../net/ip.ts";
import type { BirdReply } from "./reply-reader.ts";

/** One route that BIRD knows. */
export interface BirdRoute {
  readonly destination: Cidr;
  readonly type: "unicast" | "blackhole" | "unreachable" | "prohibit";
  /** The protocol that it came by, such as `Mesh_172_18_1_2`. */
  readonly protocol: string;
  /** BIRD prefers it to its others to the same destination. */
  readonly isBest: boolean;
  /** Where packets go; more than one for several paths of equal cost, none unless `unicast`. */
  readonly hops: readonly { readonly via: Ip | undefined; readonly interface: string }[];
}

/**
 * The IP routes in an answer to `show route`, with or without `all`, in BIRD's order. Throws when a line cannot be read, as
 * BIRD 2 would then have changed its format.
 */
export function parseRoutes(reply: BirdReply): readonly BirdRoute[] {
  const routes: (BirdRoute & { readonly hops: BirdRoute["hops"][number][] })[] = [];
  for (const { code, text } of reply.lines) {
    if (code !== routeCode || text.startsWith("Table ") || text.trim() === "") continue;
    const hop = /^\t(?:via (\S+) on|dev) (\S+)/.exec(text);
    if (hop) {
      routes.at(-1)?.hops.push({ via: hop[1] === undefined ? undefined : parseIp(hop[1]), interface: hop[2] ?? "" });
      continue;
    }
    const [, net = "", type, protocol = "", best] = rowPattern.exec(text) ?? [];
    // Further routes to the same destination do not name it again.
    const destination = net === "" ? routes.at(-1)?.destination : networkOf(net);
    if (type === undefined || destination === undefined) {
      throw new Error(`Cannot read ${JSON.stringify(text)} as one of BIRD's routes`);
    }
    routes.push({ destination, type: type as BirdRoute["type"], protocol, isBest: best !== undefined, hops: [] });
  }
  return routes;
}

// --- internal ---

/** BIRD writes some networks in another way than we do, such as `::1.2.3.4/128`. */
function networkOf(text: string): Cidr | undefined {
  try {
    return parseCidr(text);
  } catch {
    return undefined;
  }
}

const routeCode = 1007;
/** `192.168.2.0/26       unicast [Mesh_172_18_1_2 2026-11-21 10:28:52 from 172.18.1.9] * (100/0) [i]`; `!`: the kernel refused it. */
const rowPattern = /^(\S*)\s+(unicast|blackhole|unreachable|prohibit) \[(\S+) [^\]]*\](?: ([*!]))?/;
