import { expect } from "vitest";
import { type BirdWords, birdConfig, type SessionWords } from "../unit/bgp/bird-words.ts";
import { renderBird } from "../unit/bgp/render-bird.ts";
import { BirdLab, eventually } from "./bird-lab.ts";

export const addresses = { "node-1": "172.18.1.2", "node-2": "172.18.1.3", "node-3": "172.18.1.4" } as const;
export type Machine = keyof typeof addresses;

/** An AS that is not the nodes' own. */
export const otherAs = 64513;

/** The name of the session with a machine. */
export const to = (machine: Machine): string => `Global_${addresses[machine].replaceAll(".", "_")}`;

/** A machine's configuration: its sessions by neighbour, and what else there is to say. */
export interface MachineWords extends Omit<BirdWords, "families"> {
  readonly sessions?: Partial<Record<Machine, SessionWords>>;
  readonly family?: Omit<BirdWords["families"][string], "sessions">;
}

/** A test with a star of its own: side by side with others, as it mostly waits. */
export function withStar(work: (star: BirdStar) => Promise<void>): () => Promise<void> {
  return async () => {
    await using star = await BirdStar.create();
    await work(star);
  };
}

/** Three nodes and a pod to be, each with a BIRD. */
export class BirdStar implements AsyncDisposable {
  readonly lab: BirdLab;

  static async create(): Promise<BirdStar> {
    const nodes = Object.entries(addresses).map(([name, address]) => [name, [address]]);
    return new BirdStar(await BirdLab.create({ ...Object.fromEntries(nodes), pod: ["172.18.1.9"] }));
  }

  private constructor(lab: BirdLab) {
    this.lab = lab;
  }

  /** Configures each node; one that is not named keeps to itself. */
  async configure(words: Partial<Record<Machine, MachineWords>>): Promise<void> {
    for (const machine of Object.keys(addresses) as Machine[]) {
      const { sessions = {}, family, ...rest } = words[machine] ?? {};
      const named = Object.entries(sessions).map(([peer, session]) => [addresses[peer as Machine], session]);
      const families = { [addresses[machine]]: { ...family, sessions: Object.fromEntries(named) } };
      await this.lab.configure(machine, renderBird(birdConfig({ ...rest, families })));
    }
  }

  /** Node-1 with both others, and what the sessions of node-1 and node-2 are to be between them. */
  async connect(
    ours: SessionWords,
    theirs: SessionWords,
    more: Partial<Record<Machine, MachineWords>> = {},
  ): Promise<void> {
    await this.configure({
      "node-1": { ...more["node-1"], sessions: { "node-2": ours, "node-3": {} } },
      "node-2": { ...more["node-2"], sessions: { "node-1": theirs } },
      "node-3": { ...more["node-3"], sessions: { "node-1": {} } },
    });
  }

  /**
   * All sessions of node-1 begin anew, and all but the one with node-2 come up. While the other comes up four times over,
   * this one has had every chance to.
   */
  async onlyTheOtherComesUp(): Promise<void> {
    await this.lab.ask("node-1", "restart all");
    for (let round = 0; round < 4; round++) {
      await this.lab.established("node-1", to("node-2"));
      await this.lab.ask("node-1", `restart ${to("node-3")}`);
    }
    expect((await this.lab.states("node-1")).get(to("node-2"))).not.toBe("Established");
  }

  async bothUp(): Promise<void> {
    await this.lab.established("node-1");
    await this.lab.established("node-2");
  }

  /** What BIRD says of one protocol, in full. */
  async shown(machine: Machine, protocol: string): Promise<string> {
    return (await this.lab.ask(machine, `show protocols all ${protocol}`)).join("\n");
  }

  /** Waits until a machine has just these routes of another. */
  async expectRoutes(machine: Machine, from: Machine, expected: Readonly<Record<string, object>>): Promise<void> {
    await eventually(async () => expect(await this.lab.routes(machine, to(from))).toEqual(expected));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}
