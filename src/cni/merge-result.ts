import type { CniResult, ResultDns } from "./cni-result.ts";

/**
 * What a plugin of a chain answers: all that the plugins before it made, and then its own. The places of its addresses'
 * interfaces are counted on.
 */
export function mergeResults(earlier: CniResult, own: CniResult): CniResult {
  const shift = earlier.interfaces.length;
  return {
    interfaces: [...earlier.interfaces, ...own.interfaces],
    ips: [
      ...earlier.ips,
      ...own.ips.map((one) => (one.interface === undefined ? one : { ...one, interface: one.interface + shift })),
    ],
    routes: [...earlier.routes, ...own.routes],
    dns: mergeDns(earlier.dns, own.dns),
  };
}

/** Whether anything is said. */
export function saysSomething({ nameservers, domain, search, options }: ResultDns): boolean {
  return domain !== undefined || nameservers.length + search.length + options.length > 0;
}

// --- internal ---

function mergeDns(earlier: ResultDns, own: ResultDns): ResultDns {
  const both = (name: "nameservers" | "search" | "options") => [...new Set([...earlier[name], ...own[name]])];
  return {
    nameservers: both("nameservers"),
    domain: earlier.domain ?? own.domain,
    search: both("search"),
    options: both("options"),
  };
}
