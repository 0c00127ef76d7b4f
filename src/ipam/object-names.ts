/** What IPAM's records are called as objects: upstream's names, so that its tools find them. */
import type { NodeName } from "../api/names.ts";
import type { Cidr } from "../net/cidr.ts";
import { sha256 } from "../net/sha256.ts";

/** The object name of a block: its CIDR with `.`, `:` and `/` as `-`. */
export function blockName(cidr: Cidr): string {
  return cidr.replaceAll(/[.:/]/g, "-");
}

/** The object name of a node's affinity; too long a node name is cut and made unique by a hash, as upstream does. */
export function affinityName({ node, cidr }: { readonly node: NodeName; readonly cidr: Cidr }): string {
  const suffix = blockName(cidr);
  const name = `${node}-${suffix}`;
  if (name.length < maxNameLength) return name;
  const hash = hexHash(`${node}+${suffix}`).slice(0, shortHashLength);
  const start = node.slice(0, maxNameLength - 1 - suffix.length - shortHashLength - 2).replace(/[.-]+$/, "");
  return `${start}-${suffix}-${hash}`;
}

/**
 * The object name of a handle: the handle in lower case, as upstream. One that would not be an RFC 1123 subdomain of at
 * most 253 characters gets its other characters replaced and a hash put behind, so that it stays its own.
 */
export function handleName(handle: string): string {
  const name = handle.toLowerCase();
  if (name.length <= maxNameLength && subdomain.test(name)) return name;
  const hash = hexHash(handle).slice(0, longHashLength);
  const readable = name.replaceAll(/[^a-z0-9]+/g, "-").slice(0, maxNameLength - longHashLength - 1);
  return `${readable}-${hash}`.replace(/^-+/, "");
}

// --- internal ---

const maxNameLength = 253;
const shortHashLength = 11;
const longHashLength = 32;
const subdomain = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;

function hexHash(text: string): string {
  const digest = sha256(new TextEncoder().encode(text));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
