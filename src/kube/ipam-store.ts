import { createHash } from "node:crypto";
import { type BlockAffinity, parseBlockAffinity } from "../api/block-affinity.ts";
import { closedIpamConfiguration } from "../api/closed-ipam-configuration.ts";
import { type IpPool, parseIpPool } from "../api/ip-pool.ts";
import { type IpReservation, parseIpReservation } from "../api/ip-reservation.ts";
import { type IpamBlock, parseIpamBlock } from "../api/ipam-block.ts";
import { type IpamConfiguration, parseIpamConfiguration } from "../api/ipam-configuration.ts";
import { type IpamHandle, parseIpamHandle } from "../api/ipam-handle.ts";
import { recordNetwork } from "../api/ipam-record.ts";
import {
  blockAffinityKind,
  ipamBlockKind,
  ipamConfigurationKind,
  ipamHandleKind,
  ipPoolKind,
  ipReservationKind,
  nodeKind,
  resourcePath,
} from "../api/kinds.ts";
import { parseNode } from "../api/kubernetes/node.ts";
import type { NodeName } from "../api/names.ts";
import type { Node } from "../api/objects.ts";
import { restOfIpReservation } from "../api/rest-of-ip-reservation.ts";
import { affinityName, blockName, handleName } from "../ipam/object-names.ts";
import type { IpamStore, RecordStore, Stored } from "../ipam/store.ts";
import { type Cidr, cidrVersion } from "../net/cidr.ts";
import type { KubeClient } from "./client.ts";
import { type CustomResourceMapping, CustomResourceStore, storedOf } from "./custom-resource-store.ts";
import { listAll } from "./list-all.ts";
import { readIfThere } from "./read-if-there.ts";
import { type RejectedReport, readable, reportingParser } from "./rejected-report.ts";

/** Where a `KubeIpamStore` reads and writes, and what it need not ask for. */
export interface KubeIpamStoreOptions {
  readonly client: KubeClient;
  /** Told of each revision of an object that cannot be read, once. A record or pool then counts as none. */
  readonly onRejected: (report: RejectedReport) => void;
  /** What the caller already knows, maybe a little late; undefined asks the API server. */
  readonly blocks?: () => readonly IpamBlock[] | undefined;
  /** `value` undefined: the cluster has none. */
  readonly configuration?: () => { readonly value: IpamConfiguration | undefined } | undefined;
  readonly pools?: () => readonly IpPool[] | undefined;
  readonly reservations?: () => readonly IpReservation[] | undefined;
  readonly node?: (name: NodeName) => Node | undefined;
}

type AffinityKey = { readonly node: NodeName; readonly cidr: Cidr };

/** IPAM's records as Calico's v3 resources, with upstream's object names and labels, so that its tools find them. */
export class KubeIpamStore implements IpamStore {
  readonly blocks: RecordStore<Cidr, IpamBlock>;
  readonly affinities: CustomResourceStore<AffinityKey, BlockAffinity>;
  readonly handles: RecordStore<string, IpamHandle>;
  readonly #options: KubeIpamStoreOptions;
  readonly #parsePool: (json: unknown) => IpPool;
  readonly #parseReservation: (json: unknown) => IpReservation;
  readonly #parseConfiguration: (json: unknown) => IpamConfiguration;

  constructor(options: KubeIpamStoreOptions) {
    const { client, onRejected } = options;
    this.#options = options;
    this.blocks = withKnownList(new CustomResourceStore(client, blockMapping, onRejected), options.blocks);
    this.affinities = new CustomResourceStore(client, affinityMapping, onRejected);
    this.handles = new CustomResourceStore(client, handleMapping, onRejected);
    this.#parsePool = reportingParser(parseIpPool, onRejected);
    this.#parseReservation = reportingParser(parseIpReservation, onRejected);
    this.#parseConfiguration = reportingParser(parseIpamConfiguration, onRejected);
  }

  async affinitiesOf(node: NodeName): Promise<readonly Stored<BlockAffinity>[]> {
    const selector = `${labels.hostnameHash}=${hostnameHash(node)},${labels.affinityType}=host`;
    const found = await this.affinities.listSelected(selector);
    return found.filter(({ value }) => value.spec.node === node);
  }

  async blockNetworks(): Promise<readonly Cidr[]> {
    const listed = await listAll(this.#options.client, resourcePath(ipamBlockKind));
    return listed.flatMap((json) => {
      const network = recordNetwork(json);
      return network === undefined || network === "gone" ? [] : network;
    });
  }

  /** When it cannot be read, what can be, and otherwise the strictest: nobody borrows what he may have to leave. */
  async configuration(): Promise<IpamConfiguration | undefined> {
    const known = this.#options.configuration?.();
    if (known !== undefined) return known.value;
    const json = await readIfThere(this.#options.client, resourcePath(ipamConfigurationKind, { name: "default" }));
    return readable(json === undefined ? [] : [json], this.#parseConfiguration, closedIpamConfiguration)[0];
  }

  /** A pool that cannot be read is left out: nothing is given from it. */
  async pools(): Promise<readonly IpPool[]> {
    const known = this.#options.pools?.();
    if (known !== undefined) return known;
    return readable(await listAll(this.#options.client, resourcePath(ipPoolKind)), this.#parsePool);
  }

  /** Of one that cannot be read what can be: what may be reserved is not given out. */
  async reservations(): Promise<readonly IpReservation[]> {
    const known = this.#options.reservations?.();
    if (known !== undefined) return known;
    const listed = await listAll(this.#options.client, resourcePath(ipReservationKind));
    return readable(listed, this.#parseReservation, restOfIpReservation);
  }

  async node(name: NodeName): Promise<Node | undefined> {
    const known = this.#options.node?.(name);
    if (known !== undefined) return known;
    const json = await readIfThere(this.#options.client, resourcePath(nodeKind, { name }));
    return json === undefined ? undefined : parseNode(json);
  }
}

// --- internal ---

/** Lists what the caller knows, unless it has to be fresh. */
function withKnownList(
  store: CustomResourceStore<Cidr, IpamBlock>,
  known: KubeIpamStoreOptions["blocks"],
): RecordStore<Cidr, IpamBlock> {
  return {
    get: (cidr) => store.get(cidr),
    put: (cidr, block, revision) => store.put(cidr, block, revision),
    remove: (cidr, revision) => store.remove(cidr, revision),
    list: async (options) => {
      const blocks = options?.fresh ? undefined : known?.();
      return blocks?.filter(({ spec }) => !spec.deleted).map(storedOf) ?? store.list();
    },
  };
}

const labels = {
  hostnameHash: "projectcalico.org/hostname-hash",
  affinityType: "projectcalico.org/affinity-type",
  ipVersion: "projectcalico.org/ip-version",
} as const;

const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A node's name as a label value, which has 63 characters at most: unpadded base32 of its SHA3-256, as upstream. */
function hostnameHash(node: string): string {
  const digest = createHash("sha3-256").update(node).digest();
  const bits = [...digest].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g) ?? [];
  return groups.map((group) => base32[Number.parseInt(group.padEnd(5, "0"), 2)]).join("");
}

function affinityLabels({ spec }: BlockAffinity): Readonly<Record<string, string>> {
  return {
    [labels.hostnameHash]: hostnameHash(spec.node),
    [labels.affinityType]: spec.type,
    [labels.ipVersion]: String(cidrVersion(spec.cidr)),
  };
}

const blockMapping: CustomResourceMapping<Cidr, IpamBlock> = {
  kind: ipamBlockKind,
  parse: parseIpamBlock,
  nameOf: blockName,
  isOf: (block, cidr) => block.spec.cidr === cidr,
};

const affinityMapping: CustomResourceMapping<AffinityKey, BlockAffinity> = {
  kind: blockAffinityKind,
  parse: parseBlockAffinity,
  nameOf: affinityName,
  isOf: ({ spec }, { node, cidr }) => spec.node === node && spec.cidr === cidr,
  labelsOf: affinityLabels,
};

const handleMapping: CustomResourceMapping<string, IpamHandle> = {
  kind: ipamHandleKind,
  parse: parseIpamHandle,
  nameOf: handleName,
  isOf: (record, handle) => record.spec.handleID === handle,
};
