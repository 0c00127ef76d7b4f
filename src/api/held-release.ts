/**
 * What garbage collection holds back until a person has approved it, and what it has freed of late without: as it stands
 * on KubeControllersConfiguration `default`.
 */
import { z } from "zod";
import { compareText } from "../net/compare-text.ts";
import { sha256 } from "../net/sha256.ts";
import { ipField, timeField } from "./fields.ts";
import { parseWith } from "./parse-with.ts";

/** The condition's type: True while addresses are held back. */
export const heldCondition = "IPAMGarbageCollectionHeld";

/** Set to the `id` of what is held, it lets exactly that be freed; it is taken away again once that was done. */
export const approvalAnnotation = "ipam.margay.io/approved-release";

/** So many addresses are listed at most; `count` says how many there are. */
export const maxListedAddresses = 1000;

const heldAddress = z.object({
  ip: ipField().describe("The address."),
  handle: z.string().optional().describe("Who holds it, as the block says."),
  pod: z.string().optional().describe("Whose it was, as namespace/name."),
  node: z.string().optional().describe("The node that it was given out on."),
  reason: z.string().describe("Why it looks leaked."),
});

/** The schema of `status.heldRelease`. */
export const heldRelease = z.object({
  id: z.string().describe("Names exactly these addresses and holders; an approval names it."),
  count: z.int().min(1).describe("How many addresses are held back."),
  since: timeField().describe("Since when they are."),
  addresses: z
    .array(heldAddress)
    .max(maxListedAddresses)
    .meta({ "x-kubernetes-list-type": "atomic" })
    .describe("The addresses, in order; only the first when there are very many."),
});

/** The schema of `status.freedLately`. */
export const freedLately = z
  .array(
    z.object({
      at: timeField().describe("When."),
      count: z.int().min(1).describe("How many addresses were to be freed then."),
    }),
  )
  .max(maxListedAddresses)
  .meta({ "x-kubernetes-list-type": "atomic" });

/** How many addresses were freed at a moment. */
export interface FreedCount {
  /** RFC 3339. */
  readonly at: string;
  readonly count: number;
}

/** An address that would be freed. */
export type HeldAddress = Readonly<z.output<typeof heldAddress>>;

/** Addresses that would be freed all at once, and so are held back. */
export interface HeldRelease {
  readonly id: string;
  readonly count: number;
  /** RFC 3339. */
  readonly since: string;
  /** All of them, unless `count` says that there are more. */
  readonly addresses: readonly HeldAddress[];
}

/** The name of a set of addresses with their holders, whatever their order. */
export function heldReleaseId(addresses: readonly Pick<HeldAddress, "ip" | "handle">[]): string {
  const lines = addresses.map(({ ip, handle }) => JSON.stringify([ip, handle ?? null])).toSorted(compareText);
  const digest = sha256(new TextEncoder().encode(lines.join("\n")));
  return Array.from(digest.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const object = z.object({
  metadata: z.object({ annotations: z.record(z.string(), z.string()).nullish() }),
  status: z.object({ heldRelease: heldRelease.nullish(), freedLately: freedLately.nullish() }).nullish(),
});

/** What a KubeControllersConfiguration, as the API server sends it, says of it. Throws InvalidObjectError. */
export function parseHeld(json: unknown): {
  readonly release: HeldRelease | undefined;
  /** The `id` that was approved. */
  readonly approved: string | undefined;
  readonly freed: readonly FreedCount[];
} {
  const { metadata, status } = parseWith("KubeControllersConfiguration", object, json);
  return {
    release: status?.heldRelease ?? undefined,
    approved: metadata.annotations?.[approvalAnnotation] || undefined,
    freed: status?.freedLately ?? [],
  };
}
