/** What `margay controllers` tells of itself and of IPAM: upstream's names and labels where it has them. */
import type { IpamBlock } from "../../api/ipam-block.ts";
import type { Snapshot } from "../../api/snapshot.ts";
import { Reservations } from "../../ipam/reservations.ts";
import { type Cidr, cidrSize } from "../../net/cidr.ts";
import type { Candidate } from "../ipam-gc/candidates.ts";
import { noAffinity, nodeLabels, ownerOf, poolLabels } from "./label-values.ts";
import type { Metric, Sample } from "./metric.ts";
import { PoolNodeCounts } from "./pool-node-counts.ts";

/** What the figures are taken from. */
export interface MetricsFacts {
  readonly view: Pick<Snapshot, "ipPool" | "ipReservation" | "ipamBlock" | "node">;
  /** Whether this process leads. Only the leader tells of IPAM, so that sums over all processes count nothing twice. */
  readonly leads: boolean;
  readonly candidates: readonly Pick<Candidate, "block" | "node">[];
  /** How many addresses wait for an approval; undefined: not known yet. */
  readonly held: number | undefined;
  readonly reclaimed: readonly Sample[];
  /** Objects that cannot be read as they stand now, by kind. */
  readonly rejected: ReadonlyMap<string, number>;
}

/** Every metric, from a snapshot alone: the same facts give the same figures. */
export function controllersMetrics(facts: MetricsFacts): readonly Metric[] {
  const leader: Metric = {
    ...gauge("margay_controllers_leader", "1 when this process leads, and so acts, otherwise 0.", []),
    samples: [{ labels: {}, value: facts.leads ? 1 : 0 }],
  };
  const rejected: Metric = {
    ...gauge("margay_rejected_objects", "Objects that cannot be read as they stand now, by kind.", ["kind"]),
    samples: [...facts.rejected].map(([kind, value]) => ({ labels: { kind }, value })),
  };
  return facts.leads
    ? [leader, rejected, ...ipamMetrics(facts), ...poolMetrics(facts.view), ...gcMetrics(facts)]
    : [leader, rejected];
}

// --- internal ---

const byPoolAndNode = ["ippool", "node"] as const;

function ipamMetrics({ view }: MetricsFacts): readonly Metric[] {
  const [nodeLabel, poolLabel] = [nodeLabels(view), poolLabels(view)];
  const [inUse, borrowed, blocks] = [zeroes(view), zeroes(view), new PoolNodeCounts()];
  for (const block of view.ipamBlock.values()) {
    if (block.spec.deleted) continue;
    const pool = poolLabel(block.spec.cidr);
    const owner = ownerOf(block.spec.affinity);
    blocks.add(pool, owner ?? noAffinity, 1);
    for (const [node, count] of holdersOf(block)) {
      inUse.add(pool, nodeLabel(node), count);
      if (node !== undefined && node !== owner) borrowed.add(pool, nodeLabel(node), count);
    }
  }
  const perNode = ["node"];
  return [
    {
      ...gauge("ipam_allocations_in_use", "Addresses that are given out, or held for pods to come.", byPoolAndNode),
      samples: inUse.samples(),
    },
    {
      ...gauge("ipam_allocations_borrowed", "Addresses given out from blocks of other nodes.", byPoolAndNode),
      samples: borrowed.samples(),
    },
    { ...gauge("ipam_blocks", "Blocks, by the node that owns them.", byPoolAndNode), samples: blocks.samples() },
    {
      ...gauge(
        "ipam_allocations_per_node",
        "Addresses that are given out, or held for pods to come, in all pools.",
        perNode,
      ),
      samples: inUse.samplesByNode(),
    },
    {
      ...gauge("ipam_allocations_borrowed_per_node", "Addresses from blocks of other nodes, in all pools.", perNode),
      samples: borrowed.samplesByNode(),
    },
    {
      ...gauge("ipam_blocks_per_node", "Blocks, in all pools.", perNode),
      samples: blocks.samplesByNode(),
    },
  ];
}

function poolMetrics({ ipPool, ipReservation }: MetricsFacts["view"]): readonly Metric[] {
  const reservations = new Reservations([...ipReservation.values()]);
  const each = (figure: (cidr: Cidr) => bigint) =>
    [...ipPool.values()].map(({ metadata, spec }) => ({
      labels: { ippool: metadata.name },
      value: Number(figure(spec.cidr)),
    }));
  return [
    { ...gauge("ipam_ippool_size", "Addresses of the pool.", ["ippool"]), samples: each(cidrSize) },
    {
      ...gauge("ipam_ippool_reserved", "Addresses of the pool that an IPReservation keeps back.", ["ippool"]),
      samples: each((cidr) => reservedIn(cidr, reservations)),
    },
  ];
}

function gcMetrics({ view, candidates, held, reclaimed }: MetricsFacts): readonly Metric[] {
  const [nodeLabel, poolLabel] = [nodeLabels(view), poolLabels(view)];
  const counts = zeroes(view);
  for (const { block, node } of candidates) counts.add(poolLabel(block), nodeLabel(node), 1);
  const waiting: Metric = {
    ...gauge("margay_ipam_held_release", "Addresses that look leaked and wait for an approval of their release.", []),
    samples: [{ labels: {}, value: held ?? 0 }],
  };
  return [
    {
      ...gauge("ipam_allocations_gc_candidates", "Addresses that look leaked and are not freed yet.", byPoolAndNode),
      samples: counts.samples(),
    },
    {
      name: "ipam_allocations_gc_reclamations",
      help: "Addresses that garbage collection has taken back.",
      type: "counter",
      labels: byPoolAndNode,
      samples: reclaimed,
    },
    ...(held === undefined ? [] : [waiting]),
  ];
}

function gauge(name: string, help: string, labels: readonly string[]): Omit<Metric, "samples"> {
  return { name, help, type: "gauge", labels };
}

/** As upstream: a node that has nothing in a pool is told as 0, so that expressions over both have an answer. */
function zeroes({ ipPool, node }: MetricsFacts["view"]): PoolNodeCounts {
  const counts = new PoolNodeCounts();
  for (const { metadata } of ipPool.values()) for (const name of node.keys()) counts.add(metadata.name, name, 0);
  return counts;
}

/** How many addresses of the block are given out, by the node that the allocation names. */
function holdersOf({ spec }: IpamBlock): ReadonlyMap<string | undefined, number> {
  const holders = new Map<string | undefined, number>();
  for (const index of spec.allocations) {
    const attribute = index === null ? undefined : (spec.attributes[index] ?? {});
    if (attribute === undefined || attribute.releasedAt !== undefined) continue;
    const node = attribute.secondary?.["node"] || undefined;
    holders.set(node, (holders.get(node) ?? 0) + 1);
  }
  return holders;
}

function reservedIn(cidr: Cidr, reservations: Reservations): bigint {
  const open = reservations.openIn(cidr);
  if (open === undefined) return 0n;
  return cidrSize(cidr) - open.reduce((sum, { first, end }) => sum + end - first, 0n);
}
