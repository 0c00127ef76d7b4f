/** A mesh of real BIRDs, from their start until each kernel has every node's block: by our configuration, and by one by hand. */
import { planBgp } from "../../src/bgp/plan/plan-bgp.ts";
import { BirdPrinter } from "../../src/bgp/templates/bird-printer.ts";
import { blockOf, meshSnapshot, nodeName, plainInputs } from "./cluster.ts";
import type { Fleet, FleetMember } from "./fleet.ts";
import { plainBird } from "./plain-bird.ts";

/** Seconds until a mesh of so many nodes had converged. */
export interface MeshTimes {
  readonly size: number;
  readonly ours: number;
  readonly plain: number;
}

/** Of the first `size` machines of the fleet. */
export async function measureMesh(fleet: Fleet, size: number, signal: AbortSignal): Promise<MeshTimes> {
  const members = fleet.members.slice(0, size);
  return {
    size,
    ours: await convergenceOf(fleet, oursOf(members), signal),
    plain: await convergenceOf(fleet, plainOf(members), signal),
  };
}

// --- internal ---

type Texts = ReadonlyMap<FleetMember, string>;

function oursOf(members: readonly FleetMember[]): Texts {
  const snapshot = meshSnapshot(members);
  return new Map(
    members.map((member) => {
      const config = planBgp({ ...plainInputs(), snapshot, node: nodeName(member.name) });
      if (config === undefined) throw new Error(`Cannot measure: ${member.name} has no plan`);
      return [member, new BirdPrinter().print(config)];
    }),
  );
}

function plainOf(members: readonly FleetMember[]): Texts {
  return new Map(
    members.map((member, index) => {
      const others = members.filter((other) => other !== member);
      // Of each pair the same one connects as by our configuration.
      const neighbors = others.map(({ address }) => ({ address, waits: address > member.address }));
      return [member, plainBird({ address: member.address, neighbors, blocks: [blockOf(index)] })];
    }),
  );
}

async function convergenceOf(fleet: Fleet, texts: Texts, signal: AbortSignal): Promise<number> {
  signal.throwIfAborted();
  try {
    const begin = performance.now();
    await fleet.start((member) => texts.get(member) ?? "", texts.size);
    await fleet.converged(texts.size, signal);
    return (performance.now() - begin) / 1000;
  } finally {
    await fleet.stop();
  }
}
