import type { Command } from "commander";
import type { Allocation } from "../ipam/block.ts";
import type { AddressRelease } from "../ipam/reclaimer.ts";
import type { StoreReclaimer } from "../ipam/store-reclaimer.ts";
import type { Ip } from "../net/ip.ts";
import type { ConnectionOptions } from "./connection.ts";
import {
  addIpamCommand,
  addOutputOption,
  type IpamParts,
  ipArgument,
  type OutputOptions,
  print,
  warn,
  withIpam,
} from "./ipam-command.ts";
import type { LeakedHandle, ReadReport } from "./ipam-report.ts";
import { usageError } from "./kind-argument.ts";

interface ReleaseOptions extends ConnectionOptions, OutputOptions {
  readonly ip?: Ip;
  readonly fromReport?: readonly string[];
  readonly force?: true;
}

/** What `ipam release -o json` prints. */
interface Released {
  readonly released: readonly Ip[];
  /** Given back before. */
  readonly free: readonly Ip[];
  /** Given to another holder since it was looked at, and kept. */
  readonly changed: readonly Ip[];
  readonly kept: readonly { readonly ip: Ip; readonly reason: string }[];
  readonly handles: { readonly removed: readonly string[]; readonly changed: readonly string[] };
}

/**
 * Adds `ipam release`: gives back addresses that nothing uses any more. Each is freed only if it still is what was looked
 * at; and, without `--force`, only when the API server and its node both say that nothing uses it.
 */
export function addIpamRelease(program: Command): void {
  const command = addIpamCommand(program, "release", "give back addresses that are leaked")
    .option("--ip <address>", "this address", ipArgument)
    .option(
      "--from-report <file>",
      "the addresses that this report of `ipam check` calls leaked; several: those that all of them do",
      (file: string, others: readonly string[] | undefined) => [...(others ?? []), file],
    )
    .option("--force", "also when nothing proves that they are unused: a pod that still has one loses it to another");
  addOutputOption(command).action(async (options: ReleaseOptions) => {
    const { ip, fromReport = [] } = options;
    if ((ip === undefined) === (fromReport.length === 0)) {
      usageError(command, "name an address with --ip, or a report with --from-report");
    }
    if (ip === undefined) await releaseReported(options, fromReport);
    else await releaseOne(options, ip);
  });
}

// --- internal ---

const warning = "WARNING: it is not checked whether anything uses what is released, due to --force";

async function releaseOne(options: ReleaseOptions, ip: Ip): Promise<void> {
  const { allocationOf } = await import("../ipam/block.ts");
  const { findBlock } = await import("./ipam-find-block.ts");
  await withIpam(options, async (parts) => {
    const block = await findBlock(parts.store, await parts.store.pools(), ip);
    const allocation = block === undefined ? undefined : allocationOf(block.value, ip);
    if (allocation === undefined) throw new Error(`Cannot release IP address ${ip}: it is not assigned`);
    if (allocation.attribute.releasedAt !== undefined) {
      throw new Error(`Cannot release IP address ${ip}: it was given back already, and cools down`);
    }
    const done = await release(parts, [allocation], options);
    const [kept] = done.kept;
    if (kept !== undefined) {
      throw new Error(`Cannot release IP address ${ip}: ${kept.reason}. If you are sure that nothing uses it: --force`);
    }
    if (done.released.length === 0) {
      throw new Error(`Cannot release IP address ${ip}: it was given back or given anew meanwhile. Look at it again`);
    }
    await print(options, { ...done, handles: noHandles }, () => `Successfully released IP address ${ip}\n`);
  });
}

async function releaseReported(options: ReleaseOptions, files: readonly string[]): Promise<void> {
  const { commonCandidates, standingOf } = await import("./ipam-release-plan.ts");
  const reports = await readReports(files);
  await withIpam(options, async (parts) => {
    await refuseOtherCluster(parts, reports, files);
    const candidates = commonCandidates(reports);
    const blocks = (await parts.store.blocks.list()).map(({ value }) => value);
    const standing = standingOf(candidates.addresses, blocks);
    const done = await release(parts, standing.held, options);
    const handles = await removeHandles(parts, candidates.handles);
    const result: Released = {
      ...done,
      free: [...standing.free, ...done.free],
      changed: [...standing.changed, ...done.changed],
      handles,
    };
    await print(options, result, formatReleased);
    if (result.kept.length > 0) {
      throw new Error(
        `Cannot release ${result.kept.length} of the addresses: they are used, or nothing proves that they are not. If you are sure: --force`,
      );
    }
  });
}

const noHandles = { removed: [], changed: [] } as const;

async function readReports(files: readonly string[]): Promise<readonly ReadReport[]> {
  const { readFile } = await import("node:fs/promises");
  const { messageOf } = await import("../net/message-of.ts");
  const { parseReport } = await import("./ipam-report.ts");
  const read = async (file: string) => {
    const text = await readFile(file, "utf8").catch((cause: unknown) => {
      throw new Error(`Cannot read the report ${file}: ${messageOf(cause)}. Make one with margay ipam check -o FILE`, {
        cause,
      });
    });
    return parseReport(text, file);
  };
  return Promise.all(files.map(read));
}

/** Nothing overrides this: another cluster's addresses look the same. */
async function refuseOtherCluster(
  { client }: IpamParts,
  reports: readonly ReadReport[],
  files: readonly string[],
): Promise<void> {
  const { readClusterId } = await import("./ipam-check.ts");
  const clusterId = await readClusterId(client);
  const stranger = reports.findIndex(({ clusterGUID }) => clusterGUID !== clusterId);
  if (stranger < 0) return;
  throw new Error(
    `Cannot use the report ${files[stranger]}: it is of another cluster (${reports[stranger]?.clusterGUID}, not ${clusterId})`,
  );
}

async function release(
  { client, store }: IpamParts,
  allocations: readonly Allocation[],
  { force }: ReleaseOptions,
): Promise<Omit<Released, "handles">> {
  const { systemClock } = await import("../host/clock.ts");
  const { StoreReclaimer } = await import("../ipam/store-reclaimer.ts");
  const { findUses } = await import("./ipam-evidence.ts");
  if (force) warn(warning);
  const findings = force
    ? allocations.map((allocation) => ({ allocation, keep: undefined }))
    : await findUses(client, allocations);
  const reclaimer: Pick<StoreReclaimer, "releaseAddresses"> = new StoreReclaimer({ store, clock: systemClock });
  const why = force ? "released by a person, by force" : "released by a person";
  const unused = findings.filter(({ keep }) => keep === undefined);
  const answers = await reclaimer.releaseAddresses(unused.map(({ allocation }) => releaseOf(allocation, why)));
  const ips = (wanted: string) => answers.filter(({ outcome }) => outcome === wanted).map(({ ip }) => ip);
  return {
    released: ips("released"),
    free: ips("free"),
    changed: ips("changed"),
    kept: findings.flatMap(({ allocation, keep }) => (keep === undefined ? [] : [{ ip: allocation.ip, reason: keep }])),
  };
}

function releaseOf({ ip, attribute, sequenceNumber }: Allocation, why: string): AddressRelease {
  return { ip, handle: attribute.handle_id, sequenceNumber, why };
}

/** A record goes only if it is the one that was reported, and blocks still say that it names nothing. */
async function removeHandles({ store }: IpamParts, handles: readonly LeakedHandle[]): Promise<Released["handles"]> {
  const { systemClock } = await import("../host/clock.ts");
  const { StoreReclaimer } = await import("../ipam/store-reclaimer.ts");
  const reclaimer = new StoreReclaimer({ store, clock: systemClock });
  const removed: string[] = [];
  const changed: string[] = [];
  for (const { ID, UID, Revision } of handles) {
    const metadata = (await store.handles.get(ID))?.value.metadata;
    const isSame = metadata?.uid === UID && metadata.resourceVersion === Revision;
    if (isSame) await reclaimer.repairHandles([ID]);
    (isSame ? removed : changed).push(ID);
  }
  return { removed, changed };
}

function formatReleased({ released, free, changed, kept, handles }: Released): string {
  const lines = [
    `Released ${released.length} IPs successfully.`,
    ...(free.length === 0 ? [] : [`${free.length} addresses had been given back already.`]),
    ...(changed.length === 0 ? [] : [`${changed.length} addresses have another holder by now, and were kept:`]),
    ...changed.map((ip) => `  ${ip}`),
    ...(kept.length === 0 ? [] : [`${kept.length} addresses were kept:`]),
    ...kept.map(({ ip, reason }) => `  ${ip}: ${reason}`),
    `Removed ${handles.removed.length} handles; ${handles.changed.length} had changed or gone.`,
  ];
  return `${lines.join("\n")}\n`;
}
