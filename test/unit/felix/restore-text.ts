/** A whole state as what a person would type, and as what the kernel's own programs read. */
import type { DesiredState, IpSet, Route, Table } from "../../../src/felix/render/desired-state.ts";
import { printTable } from "../../../src/felix/render/iptables.ts";

/** Input of iptables-restore --noflush for one table that has none of our rules yet. */
export function restoreText(table: Table): string {
  const printed = printTable(table);
  const lines = [`*${printed.name}`, ...[...printed.chains.keys()].map((chain) => `:${chain} - [0:0]`)];
  for (const [chain, rules] of printed.chains) lines.push(...rules.map(({ spec }) => `-A ${chain} ${spec}`));
  for (const [chain, hook] of printed.hooks) {
    lines.push(...hook.inserted.toReversed().map(({ spec }) => `-I ${chain} ${spec}`));
    lines.push(...hook.appended.map(({ spec }) => `-A ${chain} ${spec}`));
  }
  return `${[...lines, "COMMIT"].join("\n")}\n`;
}

/** Input of ipset restore. */
export function ipSetText(set: IpSet): string {
  const family = set.version === 4 ? "inet" : "inet6";
  const create = `create ${set.name} ${set.type} family ${family} maxelem ${set.maxElements}`;
  return [create, ...[...set.members].map((member) => `add ${set.name} ${member}`), ""].join("\n");
}

/** As ip-route(8) takes it. */
function routeText({ destination, hostInterface, source, metric }: Route): string {
  const attributes = `${source === undefined ? "" : ` src ${source}`}${metric === undefined ? "" : ` metric ${metric}`}`;
  return `${destination} dev ${hostInterface} scope link${attributes}\n`;
}

/** Everything, for a golden file. */
export function stateText({ sets, tables, routes }: DesiredState): string {
  return [
    ...[...sets.values()].map(ipSetText),
    ...[...tables].map(([key, table]) => `# ${key}\n${restoreText(table)}`),
    ...[...routes.values()].map(routeText),
  ].join("\n");
}
