import type { SessionProbe, SynResult } from "../../api/bgp-probe.ts";
import { HeldPort, RawSocket } from "../../host/raw-socket.ts";
import { codeOf } from "../../host/system-error.ts";
import type { Clock } from "../../net/clock.ts";
import { type Ip, versionOf } from "../../net/ip.ts";
import { probeEcho } from "./probe-echo.ts";
import { decodeSegment, encodeSyn, ipHeaderBytes, isSigned, type Segment } from "./probe-segment.ts";

/** Which way is probed, and how. */
export interface WindowRequest {
  readonly source: Ip;
  readonly neighbor: Ip;
  /** The neighbour's BGP port. */
  readonly port: number;
  /** Ours. */
  readonly listenPort: number;
  readonly password: string | undefined;
  /** Of our packets; the kernel's own when undefined. */
  readonly ttl: number | undefined;
  /** Bytes, of the interface that leads to the neighbour. */
  readonly mtu: number;
  /** How long to listen, and to ask again. */
  readonly windowMs: number;
  /** Every answer is enough: nobody needs to know what else arrives. */
  readonly endsEarly: boolean;
}

/** What the wire says. */
export type WindowResult = Pick<SessionProbe, "syn" | "plainSyn" | "bigSyn" | "echo" | "heard">;

/**
 * Asks the neighbour's BGP port by opening segments, and listens for what it sends by itself. No connection is ever completed: BIRD
 * takes a second connection of an established neighbour for its restart (RFC 4724 section 4.2), and would drop the first.
 */
export async function probeWindow(request: WindowRequest, clock: Clock): Promise<WindowResult> {
  const echo = probeEcho(request, clock);
  try {
    using socket = new RawSocket({
      ...{ protocol: "tcp", source: request.source, destination: request.neighbor, ttl: request.ttl },
    });
    using window = new Window(request, socket);
    await window.run(clock);
    return { ...window.result(), echo: await echo };
  } catch (error) {
    const result: SynResult = { ...outcomeOf(error), bytes: 0 };
    return { syn: result, echo: await echo, heard: { packets: 0, md5: { none: 0, right: 0, wrong: 0 } } };
  }
}

// --- internal ---

const turnMs = 20;
/** As quick as TCP's own second try is not, so that one lost packet is no answer. */
const againMs = 300;

interface Shot {
  readonly held: HeldPort;
  readonly password: string | undefined;
  readonly bytes: number;
  sentAt: number;
  result: SynResult;
}

class Window implements Disposable {
  readonly #request: WindowRequest;
  readonly #socket: RawSocket;
  readonly #main: Shot;
  readonly #plain: Shot | undefined;
  #big: Shot | undefined;
  #heard = { packets: 0, ttl: undefined as number | undefined, md5: { none: 0, right: 0, wrong: 0 } };

  constructor(request: WindowRequest, socket: RawSocket) {
    this.#request = request;
    this.#socket = socket;
    this.#main = this.#shot(request.password, 0);
    if (request.password !== undefined) this.#plain = this.#shot(undefined, 0);
  }

  async run(clock: Clock): Promise<void> {
    const { windowMs, endsEarly } = this.#request;
    const begin = clock.monotonicNow();
    for (let elapsed = 0; elapsed < windowMs; elapsed = clock.monotonicNow() - begin) {
      for (const shot of this.#shots()) this.#fire(shot, elapsed);
      await clock.sleep(turnMs);
      this.#listen();
      this.#enlarge();
      // A listener with a password never answers what has none, so `plain` is not waited for.
      if (endsEarly && isAnswered(this.#main) && this.#big !== undefined && isAnswered(this.#big)) return;
    }
  }

  result(): Omit<WindowResult, "echo"> {
    const { packets, ttl, md5 } = this.#heard;
    return {
      syn: this.#main.result,
      ...(this.#plain === undefined ? {} : { plainSyn: this.#plain.result }),
      ...(this.#big === undefined ? {} : { bigSyn: this.#big.result }),
      heard: { packets, md5, ...(ttl === undefined ? {} : { ttl }) },
    };
  }

  [Symbol.dispose](): void {
    for (const { held } of this.#shots()) held[Symbol.dispose]();
  }

  #shots(): readonly Shot[] {
    return [this.#main, this.#plain, this.#big].filter((shot) => shot !== undefined);
  }

  #shot(password: string | undefined, bytes: number): Shot {
    const held = new HeldPort(this.#request.source);
    return { held, password, bytes, sentAt: Number.NEGATIVE_INFINITY, result: { outcome: "silent", bytes } };
  }

  #fire(shot: Shot, elapsed: number): void {
    if (isFinal(shot) || elapsed - shot.sentAt < againMs) return;
    shot.sentAt = elapsed;
    const { source, neighbor, port } = this.#request;
    const ends = { source, sourcePort: shot.held.port, destination: neighbor, port };
    const syn = encodeSyn({ ...ends, bytes: shot.bytes, password: shot.password });
    const bytes = syn.length + ipHeaderBytes[versionOf(source)];
    try {
      this.#socket.send(syn);
      shot.result = { ...shot.result, bytes };
    } catch (error) {
      shot.result = { ...outcomeOf(error), bytes };
    }
  }

  #listen(): void {
    for (;;) {
      try {
        const packet = this.#socket.receive();
        if (packet === undefined) return;
        const segment = decodeSegment(packet.payload);
        if (segment !== undefined) this.#take(segment, packet);
      } catch (error) {
        // An ICMP error does not say which segment it answers.
        for (const shot of this.#shots()) {
          if (!isFinal(shot)) shot.result = { ...outcomeOf(error), bytes: shot.result.bytes };
        }
      }
    }
  }

  #take(segment: Segment, { payload, ttl }: { readonly payload: Buffer; readonly ttl: number | undefined }): void {
    const shot = this.#shots().find(({ held }) => held.port === segment.port);
    const { port, listenPort } = this.#request;
    if (shot !== undefined) {
      const { bytes } = shot.result;
      if (segment.isReset) shot.result = { outcome: "refused", bytes };
      else if (segment.isSyn && segment.isAck)
        shot.result = { outcome: "answered", bytes, ...known({ ttl, mss: segment.mss }) };
    } else if (segment.port === listenPort || segment.sourcePort === port) this.#hear(segment, payload, ttl);
  }

  /**
   * A reset is the kernel's own, and bears neither BIRD's signature nor its TTL; an answer to a SYN is the listener's, and so is the TTL of a
   * connection that is closed before BIRD knows whose it is.
   */
  #hear(segment: Segment, payload: Buffer, ttl: number | undefined): void {
    this.#heard.packets++;
    if (segment.isReset || (segment.isSyn && segment.isAck)) return;
    const { source, neighbor, password } = this.#request;
    const ends = { source: neighbor, destination: source };
    if (segment.digest === undefined) this.#heard.md5.none++;
    else if (password !== undefined && isSigned(payload, ends, password)) this.#heard.md5.right++;
    else this.#heard.md5.wrong++;
    if (ttl !== undefined && (segment.isSyn || segment.hasData)) this.#heard.ttl = Math.max(ttl, this.#heard.ttl ?? 0);
  }

  /** The biggest packet that a connection to this listener may send is tried once a small one was answered. */
  #enlarge(): void {
    const { outcome, mss } = this.#main.result;
    if (this.#big !== undefined || outcome !== "answered" || mss === undefined) return;
    const headers = ipHeaderBytes[versionOf(this.#request.neighbor)] + 20;
    this.#big = this.#shot(this.#request.password, Math.min(this.#request.mtu, mss + headers));
  }
}

function isAnswered({ result }: Shot): boolean {
  return result.outcome === "answered";
}

function isFinal({ result }: Shot): boolean {
  return result.outcome === "answered" || result.outcome === "refused";
}

/** Throws what is no fault of the way. */
function outcomeOf(error: unknown): Pick<SynResult, "outcome" | "code"> {
  const code = codeOf(error);
  if (code === "EPERM") return { outcome: "forbidden" };
  if (code === "EMSGSIZE") return { outcome: "too big" };
  if (code === "EADDRNOTAVAIL") return { outcome: "no source" };
  if (code !== undefined && unreachableCodes.includes(code)) return { outcome: "unreachable", code };
  throw error;
}

/** Of routes and of ICMP errors. EINVAL is what the kernel says of a blackhole. */
const unreachableCodes: readonly string[] = [
  ...[
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ECONNREFUSED",
    "EACCES",
    "EINVAL",
    "ENETDOWN",
    "EHOSTDOWN",
    "ENOPROTOOPT",
    "EPROTO",
  ],
];

function known<T extends object>(values: T): { [Key in keyof T]: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as never;
}
