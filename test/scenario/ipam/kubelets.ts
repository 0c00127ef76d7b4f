import type { NodeName } from "../../../src/api/names.ts";
import { type AssignedAddress, type AssignRequest, IpamError } from "../../../src/ipam/ipam.ts";
import type { Ip } from "../../../src/net/ip.ts";
import { versionOf } from "../../../src/net/ip.ts";
import { LostError, oldest } from "./network.ts";
import { podCount, type Want } from "./operations.ts";
import { allowedOnce, hasFirstSize, nodes, requestOf } from "./settings.ts";
import type { Process, World } from "./world.ts";

/** The node of each pod. */
export function nodeOfPod(pod: number): NodeName {
  return nodes[pod % nodes.length] as NodeName;
}

/** Asks for pods' addresses and gives them back, as the kubelets of all nodes, and judges each answer. */
export class Kubelets {
  readonly #world: World;
  readonly #agents = new Map<NodeName, Process>();
  readonly #others: Process[] = [];
  readonly #gone = new Set<NodeName>();
  /** How often each pod has been made anew. */
  readonly #incarnations = new Array<number>(podCount).fill(0);
  readonly #wants = new Map<string, Want>();
  readonly #cancels = new Map<string, AbortController>();
  #started = 0;
  #asked = 0;

  constructor(world: World) {
    this.#world = world;
  }

  handleOf(pod: number): string {
    return `k8s-pod-network.pod-${pod}.${this.#incarnations[pod]}`;
  }

  add(pod: number, want: Want): void {
    const { ledger } = this.#world;
    const node = nodeOfPod(pod);
    if (this.#gone.has(node) || this.#isBusy(this.handleOf(pod))) return;
    const phase = ledger.phaseOf(this.handleOf(pod));
    if (phase === "asked" || phase === "going") return;
    if (phase !== "live" && !this.#isClean(this.handleOf(pod))) {
      this.#incarnations[pod] = (this.#incarnations[pod] ?? 0) + 1;
    }
    const handle = this.handleOf(pod);
    const wanted = phase === "live" ? (this.#wants.get(handle) ?? want) : want;
    this.#wants.set(handle, wanted);
    ledger.asks(handle);
    const { attributes, ...request } = requestOf(handle, node, wanted);
    const timestamp = `call ${this.#asked++}`;
    const asked = { ...request, attributes: { ...attributes, timestamp }, mayBeNamedLater: pod % 4 !== 3 };
    void this.#assign(this.#agentFor(handle, node), asked, node);
  }

  /** Gives back what the pod may have; `also` a pod that has not been answered yet. */
  remove(pod: number): void {
    const handle = this.handleOf(pod);
    const phase = this.#world.ledger.phaseOf(handle);
    if (phase === "absent" || phase === "lost" || this.#gone.has(nodeOfPod(pod)) || this.#isReleasing(handle)) return;
    this.#world.ledger.givesBack(handle);
    void this.#release(this.#agentOf(nodeOfPod(pod)), handle, nodeOfPod(pod));
  }

  cancel(pod: number): void {
    this.#cancels.get(this.handleOf(pod))?.abort();
  }

  vanish(pod: number): void {
    const handle = this.handleOf(pod);
    const phase = this.#world.ledger.phaseOf(handle);
    if (phase === "absent" || this.#isBusy(handle)) return;
    this.#world.ledger.vanishes(handle);
    this.#world.diskOf(nodeOfPod(pod)).forget(handle);
  }

  kill(node: NodeName): void {
    this.#agents.get(node)?.kill();
  }

  /** The process that was taken over longest ago, or else the one that serves the node, ends well. */
  async end(node: NodeName): Promise<void> {
    const old = this.#others.find((one) => one.alive() && one.name.startsWith(node)) ?? this.#agents.get(node);
    if (old === undefined || !old.alive()) return;
    this.#world.trace(`${old.name} is to end`);
    if (this.#agents.get(node) === old) this.twin(node);
    try {
      await old.ipam.stop();
    } catch (error) {
      if (!isExpected(error) && !isOfStrays(error)) this.#world.breach(`${old.name} cannot end: ${error}`, error);
    }
    old.kill();
  }

  /** Every process of the nodes that are left ends well. */
  async endAll(): Promise<void> {
    for (const node of nodes) while (this.#living(node).length > 0) await this.end(node);
  }

  /** A process begins on every node that is left. */
  beginAll(): void {
    for (const node of nodes) {
      if (this.#gone.has(node)) continue;
      this.#world.diskOf(node).settleIntents();
      this.#agentOf(node);
    }
  }

  /** From now on another process serves the node; calls under way go on in the old one. */
  twin(node: NodeName): void {
    const old = this.#agents.get(node);
    if (old !== undefined) this.#others.push(old);
    this.#agents.delete(node);
  }

  lose(node: NodeName): void {
    for (const process of [...this.#agents.values(), ...this.#others]) {
      if (process.name.startsWith(node)) process.kill();
    }
    this.#gone.add(node);
    for (let pod = 0; pod < podCount; pod++) if (nodeOfPod(pod) === node) this.vanish(pod);
  }

  isGone(node: NodeName): boolean {
    return this.#gone.has(node);
  }

  killAll(): void {
    for (const process of [...this.#agents.values(), ...this.#others]) process.kill();
  }

  #agentOf(node: NodeName): Process {
    const known = this.#agents.get(node);
    if (known?.alive()) return known;
    const process = this.#world.start(`${node}#${this.#started++}`, node);
    this.#agents.set(node, process);
    return process;
  }

  #living(node: NodeName): readonly Process[] {
    const all = [...this.#others, ...this.#agents.values()];
    return all.filter((one) => one.alive() && one.name.startsWith(node));
  }

  /** Who was given what no block names is asked after where that is known. */
  #agentFor(handle: string, node: NodeName): Process {
    const told = this.#world.ledger.holdingsOf(handle);
    const reserve = this.#world.inReserveOf(node);
    const isUnnamed = told.some(({ ip }) => reserve.some((one) => one.ip === ip));
    const giver = this.#living(node).find((one) => this.#world.diskOf(node).hasLock(one));
    return (isUnnamed ? giver : undefined) ?? this.#agentOf(node);
  }

  #isBusy(handle: string): boolean {
    return [...this.#agents.values(), ...this.#others].some(({ calls }) => calls.has(handle) || calls.has(del(handle)));
  }

  #isReleasing(handle: string): boolean {
    return [...this.#agents.values(), ...this.#others].some(({ calls }) => calls.has(del(handle)));
  }

  /** A handle may be used again once nothing is left of its last use. */
  #isClean(handle: string): boolean {
    const { ledger, network } = this.#world;
    return ledger.phaseOf(handle) === "absent" && network.late === 0 && this.#world.heldBy(handle).length === 0;
  }

  async #assign(process: Process, request: AssignRequest, node: NodeName): Promise<void> {
    const world = this.#world;
    const { handle } = request;
    const told = world.ledger.holdingsOf(handle).map(({ ip }) => ip);
    const before = {
      held: [...told, ...world.heldBy(handle).map(({ ip }) => ip)],
      settings: world.settings.length,
      grants: world.grants.length,
      step: world.schedule.steps,
      begunLate: this.#begunLate(),
    };
    const cancel = new AbortController();
    this.#cancels.set(handle, cancel);
    process.calls.add(handle);
    const disk = world.diskOf(node);
    disk.intends(handle);
    world.trace(`${process.name}: ADD ${handle} ${JSON.stringify(request)}`);
    try {
      const answer = await process.ipam.assign(request, cancel.signal);
      world.trace(`${process.name}: ADD ${handle} = ${answer.map(({ ip }) => ip).join()}`);
      await this.#noteReserved(answer, { process, request, node });
      this.#judge(answer, { request, node, before });
      if (world.ledger.phaseOf(handle) === "live") disk.attach(request, answer);
    } catch (error) {
      if (error instanceof IpamError) disk.gaveUp(handle);
      world.trace(`${process.name}: ADD ${handle} failed: ${error}`);
      world.figures.refused++;
      this.#judgeRefusal(error, { request, before, cancelled: cancel.signal.aborted });
    }
    process.calls.delete(handle);
  }

  /** What comes of the reserve is a pod's before any write says so; its process may die before it writes that down. */
  async #noteReserved(
    answer: readonly AssignedAddress[],
    { process, request: { handle }, node }: Omit<Answered, "before"> & { readonly process: Process },
  ): Promise<void> {
    const world = this.#world;
    const reserve = world.inReserveOf(node);
    const unnamed = answer.filter(({ ip }) => reserve.some((one) => one.ip === ip));
    if (unnamed.length === 0) return;
    for (const { ip } of unnamed) {
      world.reserve.answered(ip);
      // Whose the block was when it was taken; it may be nobody's by now.
      const affinity = world.grants.findLast((grant) => grant.ip === ip)?.affinity;
      world.grants.push({ ip, handle, step: world.schedule.steps, affinity });
    }
    await process.pause();
  }

  #judge(answer: readonly AssignedAddress[], { request, node, before }: Answered): void {
    const world = this.#world;
    const { handle, v4, v6, addresses = [] } = request;
    const phase = world.ledger.phaseOf(handle);
    const counted = ([4, 6] as const).map(
      (version) => answer.filter(({ ip }) => versionOf(ip) === version && !addresses.includes(ip)).length,
    );
    if (counted.join() !== `${v4},${v6}` || addresses.some((one) => !answer.some(({ ip }) => ip === one))) {
      world.breach(`${handle} asked for ${JSON.stringify(request)} and got ${JSON.stringify(answer)}`);
    }
    if (phase !== "asked" && phase !== "live") return;
    world.figures.given += phase === "asked" ? answer.length : 0;
    const held = world.heldBy(handle);
    const reserve = request.mayBeNamedLater ? world.inReserveOf(node) : [];
    for (const { ip, block } of answer) {
      if (![...held, ...reserve].some((one) => one.ip === ip && one.block === block)) {
        world.breach(`${handle} was told ${ip} of ${block}, and it is not ${handle}'s in the store`);
      }
    }
    this.#judgeChoice(answer, { request, node, before });
    // Whoever holds more than it was told, or asks for less, may be told another part of it.
    const told = world.ledger.holdingsOf(handle).length;
    if (phase === "live" && (held.length > told || answer.length < told)) return;
    try {
      world.ledger.told(handle, answer);
    } catch (error) {
      world.breach(String(error));
    }
  }

  /** What was given anew was allowed at some moment of the call, or a little before, when caches are old. */
  #judgeChoice(answer: readonly AssignedAddress[], { request, node, before }: Answered): void {
    const world = this.#world;
    const moments = world.settings.slice(Math.max(0, before.settings - 1 - oldest));
    const strict = moments.every(({ configuration }) => configuration?.spec.strictAffinity === true);
    for (const { ip } of answer) {
      if (before.held.includes(ip)) continue;
      if (!allowedOnce(moments, request, node, ip)) {
        world.breach(`${request.handle} was given ${ip}, which no setting of its time allows`);
      }
      const grant = world.grants.slice(before.grants).findLast((one) => one.ip === ip && one.handle === request.handle);
      const borrowed = grant !== undefined && grant.affinity !== `host:${node}`;
      if (strict && borrowed && !request.addresses?.includes(ip)) {
        world.breach(`${request.handle} borrowed ${ip} of ${grant.affinity} under strictAffinity`);
      }
    }
  }

  #judgeRefusal(error: unknown, { request, before, cancelled }: Refused): void {
    const world = this.#world;
    if (!isExpected(error, cancelled)) {
      world.breach(`ADD ${request.handle} ended unexpectedly: ${error}`, error);
    }
    if (!(error instanceof IpamError)) return;
    const kept = world.heldBy(request.handle).filter(({ ip }) => !before.held.includes(ip));
    if (kept.length > 0 && !this.#isReleasing(request.handle)) {
      world.breach(`${request.handle} was refused and keeps ${kept.map(({ ip }) => ip).join()}: ${error.message}`);
    }
    const [fixed] = request.addresses ?? [];
    const moments = world.settings.slice(Math.max(0, before.settings - 1 - oldest));
    // Under strictAffinity a free address of another node's block cannot be had either, nor one beside blocks of another size.
    const strict = moments.some(({ configuration }) => configuration?.spec.strictAffinity === true);
    const open = !strict && world.settings.every(({ pools }) => pools.every(hasFirstSize));
    if (error.reason === "taken" && fixed !== undefined && open && this.#wasFree(fixed, before.step)) {
      world.breach(`${request.handle} was refused ${fixed} as taken, and it was free`);
    }
  }

  #begunLate(): number | undefined {
    const { late, begunLate } = this.#world.network;
    return late > 0 ? undefined : begunLate;
  }

  #wasFree(ip: Ip, since: number): boolean {
    const { grants, freeSince } = this.#world;
    const last = grants.findLast((grant) => grant.ip === ip);
    return last === undefined || ((freeSince.get(ip) ?? -1) >= last.step && (freeSince.get(ip) ?? -1) < since);
  }

  /** What its record leads to. The rest, for which a crash left no record, is left to the collector at worst. */
  #findable(handle: string): readonly Ip[] {
    const record = this.#world.cluster.handles.get(handle)?.value.spec.block ?? {};
    return this.#world.heldBy(handle).flatMap(({ ip, block }) => (block in record ? ip : []));
  }

  async #release(process: Process, handle: string, node: NodeName): Promise<void> {
    const world = this.#world;
    const begunLate = this.#begunLate();
    const findable = this.#findable(handle);
    const call = del(handle);
    process.calls.add(call);
    world.trace(`${process.name}: ${call}`);
    try {
      const freed = await process.ipam.release(handle, "DEL");
      world.trace(`${process.name}: ${call} = ${freed.join()}`);
      // Once a reply is lost nobody can say whether this call or the collector was first.
      const had = world.grants.flatMap((one) => (one.handle === handle ? one.ip : []));
      const strange = freed.filter((ip) => !had.includes(ip));
      if (strange.length > 0) world.breach(`${call} says it freed ${strange.join()}, which it never held`);
      process.calls.delete(call);
      const left = world.heldBy(handle).filter(({ ip }) => findable.includes(ip));
      const certain = begunLate === world.network.begunLate && !this.#isBusy(handle);
      if (left.length > 0 && certain) {
        world.breach(`${call} has ended and ${left.map(({ ip }) => ip).join()} is still held`);
      }
      world.ledger.gone(handle);
      world.diskOf(node).forget(handle);
    } catch (error) {
      process.calls.delete(call);
      world.trace(`${process.name}: ${call} failed: ${error}`);
      if (!isExpected(error)) world.breach(`${call} ended unexpectedly: ${error}`, error);
    }
  }
}

// --- internal ---

interface Before {
  readonly held: readonly Ip[];
  readonly settings: number;
  readonly grants: number;
  readonly step: number;
  /** What it still is when no write took effect late meanwhile; undefined when one was to even before. */
  readonly begunLate: number | undefined;
}

interface Answered {
  readonly request: AssignRequest;
  readonly node: NodeName;
  readonly before: Before;
}

interface Refused extends Omit<Answered, "node"> {
  readonly cancelled: boolean;
}

function del(handle: string): string {
  return `DEL ${handle}`;
}

/** It cannot be told yet whose it is that an earlier process held. */
function isOfStrays(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Cannot free yet");
}

function isCancelled(error: unknown): boolean {
  return error instanceof Error && (error.name === "AbortError" || isCancelled(error.cause));
}

function isExpected(error: unknown, cancelled = false): boolean {
  if (error instanceof IpamError || error instanceof LostError) return true;
  if (cancelled && isCancelled(error)) return true;
  if (error instanceof AggregateError) return error.errors.every((one) => isExpected(one, cancelled));
  return error instanceof Error && error.cause !== undefined && isExpected(error.cause, cancelled);
}
