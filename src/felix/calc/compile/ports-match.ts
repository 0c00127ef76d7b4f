import type { SelectedAddresses } from "../compiled-policy.ts";
import type { PortRange, PortsMatch } from "../plan.ts";
import { mergeRanges } from "../port-ranges.ts";
import { selectedPorts, type UseSet } from "./set-sources.ts";

/** Ports by number, both ends of a range included, or one by its name. */
export type Port = PortRange | { readonly name: string };

/** What the names among a rule's ports mean. */
export interface PortNames {
  /** Whose ports they are; called only if there are names. */
  readonly owners: () => SelectedAddresses;
  /** IANA protocol number; undefined: a port of any protocol. */
  readonly protocol: number | undefined;
  readonly use: UseSet;
}

/** One of `ports`. */
export function portsMatch(ports: readonly Port[], { owners, protocol, use }: PortNames): PortsMatch {
  const ranges = mergeRanges(ports.flatMap((port) => ("name" in port ? [] : [port])));
  const names = new Set(ports.flatMap((port) => ("name" in port ? [port.name] : [])));
  if (names.size === 0) return { ranges, sets: [] };
  const selected = owners();
  return { ranges, sets: [...names].map((name) => use(selectedPorts(selected, name, protocol))) };
}
