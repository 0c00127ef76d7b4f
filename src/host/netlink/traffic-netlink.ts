import { command, list } from "./ask.ts";
import { messageFlag, messageType, tcParent } from "./constants.ts";
import { decodeFilter, encodeFilterQuery, encodeRedirect } from "./filter-codec.ts";
import { decodeQdisc, encodeIngress, encodeTokenBucket, tcHeader } from "./qdisc-codec.ts";
import { NetlinkSocket } from "./socket.ts";
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
    const request = { type: messageType.getQdisc, body: tcHeader({ linkIndex: 0 }) };
    return list(this.#socket, "list qdiscs", request, decodeQdisc);
  }

  async setTokenBucket(linkIndex: number, handle: number, bucket: TokenBucket): Promise<void> {
    // Neither "exclusive" nor "replace": so the kernel changes a root of this handle, and refuses to replace another.
    command(this.#socket, `set a token bucket on link ${linkIndex} (${JSON.stringify(bucket)})`, {
      type: messageType.newQdisc,
      flags: messageFlag.create,
      body: encodeTokenBucket(linkIndex, handle, bucket),
    });
  }

  async deleteRoot(linkIndex: number, handle: number): Promise<void> {
    const body = tcHeader({ linkIndex, handle, parent: tcParent.root });
    // EINVAL: the root has another handle.
    command(this.#socket, `delete the root qdisc of link ${linkIndex}`, { type: messageType.deleteQdisc, body }, [
      ...notThere,
      "EINVAL",
    ]);
  }

  async redirectIngress(linkIndex: number, toLinkIndex: number): Promise<void> {
    command(this.#socket, `make an ingress qdisc on link ${linkIndex}`, {
      type: messageType.newQdisc,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeIngress(linkIndex),
    });
    await this.addRedirect(linkIndex, toLinkIndex);
  }

  async addRedirect(linkIndex: number, toLinkIndex: number): Promise<void> {
    command(this.#socket, `redirect the ingress of link ${linkIndex} to link ${toLinkIndex}`, {
      type: messageType.newFilter,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeRedirect(linkIndex, toLinkIndex),
    });
  }

  async deleteIngress(linkIndex: number): Promise<void> {
    const body = tcHeader({ linkIndex, handle: tcParent.ingressHandle, parent: tcParent.ingress });
    // EINVAL: the link is there and has none.
    command(this.#socket, `delete the ingress qdisc of link ${linkIndex}`, { type: messageType.deleteQdisc, body }, [
      ...notThere,
      "EINVAL",
    ]);
  }

  async ingressFilters(linkIndex: number): Promise<readonly Filter[]> {
    const request = { type: messageType.getFilter, body: encodeFilterQuery(linkIndex) };
    return list(this.#socket, `list the ingress filters of link ${linkIndex}`, request, decodeFilter);
  }

  close(): void {
    this.#socket.close();
  }
}

/** The link or its qdisc is gone. */
const notThere = ["ENODEV", "ENOENT"];
