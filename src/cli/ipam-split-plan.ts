/** What becomes of a pool that is split: arithmetic, and what speaks against it. */
import { type IpPool, parseIpPool } from "../api/ip-pool.ts";
import { poolText } from "../ipam/pools.ts";
import { type Cidr, cidrContains, cidrSize, cidrsOverlap, cidrVersion, firstIp, prefixLength } from "../net/cidr.ts";
import { ipPlus } from "../net/ip.ts";

/** An IPPool as the API server gives and takes it. */
export interface PoolJson {
  readonly metadata: {
    readonly name: string;
    readonly uid?: string;
    readonly resourceVersion?: string;
    readonly deletionTimestamp?: string;
    readonly finalizers?: readonly string[];
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly spec: Readonly<Record<string, unknown>> & { readonly cidr: string };
}

/** On a pool that is being split: into how many. */
export const splitAnnotation = "ipam.margay.io/split";

/** On each pool that a split made: the name and network of the pool that was split. */
export const splitFromAnnotation = "ipam.margay.io/split-from";

/**
 * The pools that `pool` is split into, in order of address: its settings, labels and annotations, and a part of its
 * network each. Throws a sentence when it cannot be split so.
 */
export function planSplit(pool: PoolJson, parts: number): readonly PoolJson[] {
  const { metadata, spec } = parseIpPool(pool);
  const { cidr, blockSize } = spec;
  const length = prefixLength(cidr) + Math.log2(parts);
  if (length > blockSize) {
    const blocks = 2 ** (blockSize - prefixLength(cidr));
    throw new Error(
      `Cannot split pool ${metadata.name} (${cidr}) into ${parts}: it has ${blocks} blocks (/${blockSize}), and each part needs one at least`,
    );
  }
  const size = cidrSize(cidr) / BigInt(parts);
  return Array.from({ length: parts }, (_, index) => {
    const network = `${ipPlus(firstIp(cidr), size * BigInt(index))}/${length}` as Cidr;
    return childOf(pool, network, childName(metadata.name, index, parts));
  });
}

/** What speaks against making `children` of `pool`, as sentences without their full stop; nothing when all is well. */
export function splitObjections(
  pool: PoolJson,
  children: readonly PoolJson[],
  { pools, blocks }: { readonly pools: readonly PoolJson[]; readonly blocks: readonly Cidr[] },
): readonly string[] {
  const names = new Set(children.map(({ metadata }) => metadata.name));
  const cidr = parseIpPool(pool).spec.cidr;
  const others = pools.filter(({ metadata }) => metadata.name !== pool.metadata.name);
  return [
    ...others
      .filter((other) => names.has(other.metadata.name) && !isChildOf(other, pool))
      .map(({ metadata }) => `there is another pool ${metadata.name} already`),
    ...others
      .filter((other) => !names.has(other.metadata.name) && overlaps(other, cidr))
      .map(({ metadata, spec }) => `it overlaps pool ${metadata.name} (${spec.cidr})`),
    ...blocks
      .filter(
        (block) => cidrsOverlap(block, cidr) && !children.some(({ spec }) => cidrContains(spec.cidr as Cidr, block)),
      )
      .map((block) => `block ${block} would not lie in one part`),
  ];
}

/** The fields of `spec` in which a pool is not what was planned; nothing when it is the same. */
export function changedFields(planned: PoolJson, actual: PoolJson): string[] {
  const [want, have] = [parseIpPool(planned).spec, parseIpPool(actual).spec] as const;
  const fields = Object.keys({ ...want, ...have }) as readonly (keyof IpPool["spec"])[];
  return fields.filter((field) => JSON.stringify(want[field]) !== JSON.stringify(have[field]));
}

/** Whether a split of `pool` made `other`. */
export function isChildOf(other: PoolJson, pool: PoolJson): boolean {
  return other.metadata.annotations?.[splitFromAnnotation] === originOf(pool);
}

/** The pools that a split made of one that was called `name`, or had the network `cidr`. */
export function childrenOfFormer(
  pools: readonly PoolJson[],
  { name, cidr }: { readonly name?: string | undefined; readonly cidr?: Cidr | undefined },
): readonly PoolJson[] {
  return pools.filter(({ metadata }) => {
    const [formerName, formerCidr] = (metadata.annotations?.[splitFromAnnotation] ?? "").split(" ");
    return formerName !== "" && (name ?? formerName) === formerName && (cidr ?? formerCidr) === formerCidr;
  });
}

/** A pool as a sentence names it. */
export function poolJsonText(pool: PoolJson): string {
  return poolText(parseIpPool(pool));
}

// --- internal ---

const maxNameLength = 253;
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration";

/** `split-POOL-INDEX`, as upstream; a long name is cut, so that it stays one. */
function childName(name: string, index: number, parts: number): string {
  const room = maxNameLength - "split--".length - String(parts - 1).length;
  return `split-${name.slice(0, room).replace(/[.-]+$/, "")}-${index}`;
}

function childOf(pool: PoolJson, cidr: Cidr, name: string): PoolJson {
  const { [lastApplied]: _, [splitAnnotation]: __, ...annotations } = pool.metadata.annotations ?? {};
  return {
    metadata: {
      name,
      labels: pool.metadata.labels ?? {},
      annotations: { ...annotations, [splitFromAnnotation]: originOf(pool) },
    },
    spec: { ...pool.spec, cidr },
  };
}

function originOf({ metadata, spec }: PoolJson): string {
  return `${metadata.name} ${spec.cidr}`;
}

/** One that cannot be read is taken to overlap what it may. */
function overlaps({ spec }: PoolJson, cidr: Cidr): boolean {
  return cidrVersion(spec.cidr as Cidr) === cidrVersion(cidr) && cidrsOverlap(spec.cidr as Cidr, cidr);
}
