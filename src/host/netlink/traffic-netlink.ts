import { messageFlag, messageType, tcParent } from "./constants.ts";
import { decodeFilter, encodeFilterQuery, encodeRedirect } from "./filter-codec.ts";
import type { Refusal } from "./message.ts";
import { NetlinkError } from "./netlink.ts";
import { decodeQdisc, encodeIngress, encodeTokenBucket, tcHeader } from "./qdisc-codec.ts";
import { NetlinkSocket, type Request } from "./socket.ts";
import type { Filter, Qdisc, TokenBucket, TrafficControl } from "./traffic-control.ts";

/** Opens the traffic control of the namespace at `netnsPath`, or of this process's own, as `openNetlink` opens the rest. */
export function openTrafficControl(netnsPath?: string): TrafficControl {
  return new TrafficNetlink(new NetlinkSocket(netnsPath));
}

// --- internal ---

class TrafficNetlink implements TrafficControl {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async qdiscs(): Promise<readonly Qdisc[]> {
    return this.#dump("list qdiscs", { type: messageType.getQdisc, body: tcHeader({ linkIndex: 0 }) }, decodeQdisc);
  }

  async setTokenBucket(linkIndex: number, handle: number, bucket: TokenBucket): Promise<void> {
    // Neither "exclusive" nor "replace": so the kernel changes a root of this handle, and refuses to replace another.
    this.#change(`set a token bucket on link ${linkIndex} (${JSON.stringify(bucket)})`, {
      type: messageType.newQdisc,
      flags: messageFlag.create,
      body: encodeTokenBucket(linkIndex, handle, bucket),
    });
  }

  async deleteRoot(linkIndex: number, handle: number): Promise<void> {
    const body = tcHeader({ linkIndex, handle, parent: tcParent.root });
    // EINVAL: the root has another handle.
    this.#change(`delete the root qdisc of link ${linkIndex}`, { type: messageType.deleteQdisc, body }, [
      ...notThere,
      "EINVAL",
    ]);
  }

  async redirectIngress(linkIndex: number, toLinkIndex: number): Promise<void> {
    this.#change(`make an ingress qdisc on link ${linkIndex}`, {
      type: messageType.newQdisc,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeIngress(linkIndex),
    });
    await this.addRedirect(linkIndex, toLinkIndex);
  }

  async addRedirect(linkIndex: number, toLinkIndex: number): Promise<void> {
    this.#change(`redirect the ingress of link ${linkIndex} to link ${toLinkIndex}`, {
      type: messageType.newFilter,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeRedirect(linkIndex, toLinkIndex),
    });
  }

  async deleteIngress(linkIndex: number): Promise<void> {
    const body = tcHeader({ linkIndex, handle: tcParent.ingressHandle, parent: tcParent.ingress });
    // EINVAL: the link is there and has none.
    this.#change(`delete the ingress qdisc of link ${linkIndex}`, { type: messageType.deleteQdisc, body }, [
      ...notThere,
      "EINVAL",
    ]);
  }

  async ingressFilters(linkIndex: number): Promise<readonly Filter[]> {
    const request = { type: messageType.getFilter, body: encodeFilterQuery(linkIndex) };
    return this.#dump(`list the ingress filters of link ${linkIndex}`, request, decodeFilter);
  }

  close(): void {
    this.#socket.close();
  }

  /** Sends one request. A refusal with one of the codes `harmless` is no error. */
  #change(action: string, request: Request, harmless: readonly string[] = []): void {
    const [answer] = this.#socket.transact([request]);
    if (answer?.refusal === undefined || harmless.includes(answer.refusal.code)) return;
    throw refused(action, answer.refusal);
  }

  #dump<T>(action: string, request: Request, decode: (payload: Buffer) => T | undefined): readonly T[] {
    const found = this.#socket.dump(request, decode);
    if ("code" in found) throw refused(action, found);
    return found;
  }
}

/** The link or its qdisc is gone. */
const notThere = ["ENODEV", "ENOENT"];

function refused(action: string, { code, detail }: Refusal): NetlinkError {
  return new NetlinkError(action, code, detail);
}
