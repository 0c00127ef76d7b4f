import { customKindOf } from "../api/custom-kinds.ts";
import type { Kind } from "../api/kinds.ts";
import type { ApiObject } from "./api-object.ts";
import { columnWidths } from "./column-widths.ts";

/** What a table of objects shows beside the narrow columns. */
export interface TableOptions {
  readonly wide: boolean;
  /** Whether a first column names each object's namespace. */
  readonly namespaces: boolean;
}

/** `objects` in columns as `calicoctl get` has them, with a header line; ends with a line end. */
export function formatObjects(kind: Kind, objects: readonly ApiObject[], { wide, namespaces }: TableOptions): string {
  const columns = [
    ...(namespaces ? [namespaceColumn] : []),
    ["NAME", "metadata.name"] as const,
    ...columnsOf(kind, wide),
  ];
  const rows = [
    columns.map(([header]) => header),
    ...objects.map((one) => columns.map(([, value]) => cell(one, value))),
  ];
  const widths = columnWidths(rows);
  const line = (row: readonly string[]) => row.map((text, index) => text.padEnd(widths[index] ?? 0)).join("   ");
  return rows.map((row) => `${line(row).trimEnd()}\n`).join("");
}

// --- internal ---

/** A header, and where its value stands or how it is made. */
type Column = readonly [header: string, value: string | ((object: ApiObject) => string)];

const namespaceColumn: Column = ["NAMESPACE", "metadata.namespace"];

const cidr: Column = ["CIDR", "spec.cidr"];
const poolSelector: Column = ["SELECTOR", "spec.nodeSelector"];

/** calicoctl's own choice and order where it differs from the columns that the CRD gives to kubectl. */
const tables: Readonly<Record<string, { readonly narrow: readonly Column[]; readonly wide: readonly Column[] }>> = {
  IPPool: {
    narrow: [cidr, poolSelector],
    wide: [
      cidr,
      ["NAT", "spec.natOutgoing"],
      ["IPIPMODE", "spec.ipipMode"],
      ["VXLANMODE", "spec.vxlanMode"],
      ["DISABLED", "spec.disabled"],
      ["DISABLEBGPEXPORT", "spec.disableBGPExport"],
      poolSelector,
      ["ASSIGNMENTMODE", "spec.assignmentMode"],
    ],
  },
  BGPPeer: same([
    ["PEERIP", "spec.peerIP"],
    ["NODE", peerNodes],
    ["ASN", "spec.asNumber"],
  ]),
  BGPFilter: same([
    ["NUMEXPORTV4", ruleCount("exportV4")],
    ["NUMIMPORTV4", ruleCount("importV4")],
    ["NUMEXPORTV6", ruleCount("exportV6")],
    ["NUMIMPORTV6", ruleCount("importV6")],
  ]),
  Node: {
    narrow: [],
    wide: [annotation("ASN", "ASNumber"), annotation("IPV4", "IPv4Address"), annotation("IPV6", "IPv6Address")],
  },
};

function same(columns: readonly Column[]) {
  return { narrow: columns, wide: columns };
}

function annotation(header: string, name: string): Column {
  return [header, ({ metadata }) => text(at(metadata["annotations"], [`projectcalico.org/${name}`]))];
}

function ruleCount(list: string): (filter: ApiObject) => string {
  return (filter) => {
    const rules = at(filter, ["spec", list]);
    return String(Array.isArray(rules) ? rules.length : 0);
  };
}

function peerNodes(peer: ApiObject): string {
  return cell(peer, "spec.nodeSelector") || cell(peer, "spec.node") || "(global)";
}

function columnsOf(kind: Kind, wide: boolean): readonly Column[] {
  const table = tables[kind.kind];
  if (table !== undefined) return wide ? table.wide : table.narrow;
  const shown = (customKindOf(kind)?.columns ?? []).filter((one) => wide || one.wide !== true);
  return shown.map(({ name, path }) => [name.toUpperCase(), path.slice(1)]);
}

function cell(object: ApiObject, value: Column[1]): string {
  return typeof value === "string" ? text(at(object, value.split("."))) : value(object);
}

function at(value: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>(
    (inner, key) => (typeof inner === "object" && inner !== null ? (inner as Record<string, unknown>)[key] : undefined),
    value,
  );
}

function text(value: unknown): string {
  return value === undefined || value === null ? "" : String(value);
}
