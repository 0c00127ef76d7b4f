/** For each kind the world in which an object of it makes a difference. */
import type { Change } from "../../../src/api/snapshot.ts";
import { NodeUnderTest, type Passing, read } from "./node-under-test.ts";
import { type BrokenKind, samples } from "./samples.ts";
import { fed, globalPolicy, inDefaultTier, onPort, openHostEndpoint, smallWorld } from "./small-world.ts";

/** A node in that world, and what gets through without the object and with the whole one. */
export interface World {
  readonly node: NodeUnderTest;
  readonly alone: Passing;
  readonly whole: Passing;
}

/** The world of that kind. Throws when its sample cannot be read. */
export function worldOf(kind: BrokenKind): World {
  const node = new NodeUnderTest([...smallWorld(), ...(more[kind] ?? [openHostEndpoint(), ...inDefaultTier()])]);
  const { change, rejected } = read(kind, samples[kind]);
  if (rejected !== undefined) throw new Error(`Cannot break the sample of ${kind}: ${rejected}`);
  return { node, alone: node.alone(), whole: node.with(change) };
}

/** The port that the one policy in the sample of a tier allows. */
export const allowedPort = 5001;

// --- internal ---

const deniedPort = 5002;

const listed = { selector: "listed == 'yes'" };
/** Ahead of everything, nothing from or to the networks of a set. */
const deniesListed = fed("globalNetworkPolicy", {
  ...globalPolicy("first", 1, [{ action: "Deny", peer: listed }, { action: "Pass" }], "all()"),
});
const denies = [onPort("Deny", deniedPort), { action: "Pass" }] as const;

const more: { readonly [K in BrokenKind]?: readonly Change[] } = {
  networkPolicy: [openHostEndpoint()],
  // The tier of that name is the sample.
  tier: [
    openHostEndpoint(),
    ...inDefaultTier(),
    fed("globalNetworkPolicy", globalPolicy("broken", 1, [onPort("Allow", allowedPort), onPort("Deny", deniedPort)])),
  ],
  networkSet: [openHostEndpoint(), deniesListed],
  globalNetworkSet: [openHostEndpoint(), deniesListed],
  hostEndpoint: [fed("globalNetworkPolicy", globalPolicy("first", 5, denies, "role == 'node'"))],
};
