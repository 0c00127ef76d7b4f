import type { Dataplane } from "../felix/dataplane/dataplane.ts";
import type { Table } from "../felix/render/desired-state.ts";
import { endpointPath } from "../felix/render/endpoint-path.ts";

/**
 * What of one endpoint's policy the kernel does not hold as applied, one sentence each: its own chains and those that lead to
 * them, of both families, each asked for by itself. Rejects as `Dataplane.faultsOf`.
 */
export async function policyFaults(
  tables: Iterable<Table>,
  hostInterface: string,
  dataplane: Pick<Dataplane, "faultsOf">,
): Promise<readonly string[]> {
  const faults: string[] = [];
  for (const table of [...tables].filter(({ name }) => name === "filter")) {
    const path = endpointPath(table, hostInterface);
    if (path.length === 0) faults.push(`no IPv${table.version} rules are made for ${hostInterface}`);
    faults.push(...(await dataplane.faultsOf(table, path)));
  }
  return faults;
}
