import { setImmediate as nextTurn } from "node:timers/promises";
import type { IpVersion } from "../../net/ip.ts";
import { whileNetnsFd } from "../netns.ts";
import { decodeAddress, encodeAddress, encodeAddressQuery } from "./address-codec.ts";
import { command, list, refused } from "./ask.ts";
import { messageFlag, messageType } from "./constants.ts";
import {
  decodeLink,
  encodeLinkChange,
  encodeLinkName,
  encodeLinkQuery,
  encodeNewIfb,
  encodeNewVeth,
} from "./link-codec.ts";
import type { Refusal } from "./message.ts";
import {
  type Address,
  type AddressRequest,
  type IfbRequest,
  type KernelRoute,
  type Link,
  type LinkChange,
  type Netlink,
  NetlinkError,
  type VethRequest,
} from "./netlink.ts";
import { decodeRoute, encodeRoute, encodeRouteQuery, encodeRouteRemoval } from "./route-codec.ts";
import { type Answer, NetlinkSocket, REQUESTS_PER_WRITE, type Request } from "./socket.ts";

/**
 * Opens the routing netlink of the namespace at `netnsPath` (`/run/netns/x`), or of this process's own.
 * Throws a `SystemError` when it can't be entered. The socket stays in it for good, also when the path goes away.
 * The caller closes it. The kernel's refusals reject with a `NetlinkError`.
 *
 * Each request is answered before the call returns (see `NetlinkSocket`); only the making and the deletion of a link, and a call with
 * more routes than fit one write, let the event loop turn, and then other calls' requests may come in between.
 */
export function openNetlink(netnsPath?: string): Netlink {
  return new RouteNetlink(new NetlinkSocket(netnsPath));
}

// --- internal ---

class RouteNetlink implements Netlink {
  readonly #socket: NetlinkSocket;

  constructor(socket: NetlinkSocket) {
    this.#socket = socket;
  }

  async links(): Promise<readonly Link[]> {
    return list(this.#socket, "list links", { type: messageType.getLink, body: encodeLinkQuery() }, decodeLink);
  }

  async link(name: string): Promise<Link | undefined> {
    return this.#link(name);
  }

  async createVeth(veth: VethRequest): Promise<void> {
    const { name, peerName, peerNetns } = veth;
    const action = `make veth ${name} with peer ${peerName}${peerNetns === undefined ? "" : ` in ${peerNetns}`}`;
    // It keeps the kernel for more than a millisecond.
    const make = async (peerNetnsFd?: number) => {
      const { refusal } = await this.#socket.transactAside({
        type: messageType.newLink,
        flags: messageFlag.create | messageFlag.exclusive,
        body: encodeNewVeth(veth, peerNetnsFd),
      });
      if (refusal !== undefined) throw refused(action, refusal);
    };
    return peerNetns === undefined ? make() : whileNetnsFd(peerNetns, make);
  }

  async createIfb(ifb: IfbRequest): Promise<void> {
    command(this.#socket, `make ifb ${ifb.name}`, {
      type: messageType.newLink,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeNewIfb(ifb),
    });
  }

  async deleteLink(name: string): Promise<void> {
    const request = { type: messageType.deleteLink, body: encodeLinkName(name) };
    // The kernel waits until nobody holds the link any more, which takes it some 25 ms.
    const { refusal } = this.#link(name) === undefined ? {} : await this.#socket.transactAside(request);
    if (refusal !== undefined && refusal.code !== "ENODEV") throw refused(`delete link ${name}`, refusal);
  }

  async setLink(name: string, change: LinkChange): Promise<void> {
    const body = change.name === undefined ? encodeLinkChange({ name }, change) : this.#renaming(name, change);
    const [answer] = this.#socket.transact([{ type: messageType.setLink, body }]);
    if (answer?.refusal?.code === "ENODEV") throw noLink(name);
    if (answer?.refusal !== undefined) throw refused(`change link ${name} (${JSON.stringify(change)})`, answer.refusal);
  }

  async addresses(linkIndex = 0): Promise<readonly Address[]> {
    const body = encodeAddressQuery(linkIndex);
    return list(this.#socket, "list addresses", { type: messageType.getAddress, body }, decodeAddress);
  }

  async addAddress(linkIndex: number, address: AddressRequest): Promise<void> {
    const request = {
      type: messageType.newAddress,
      flags: messageFlag.create | messageFlag.exclusive,
      body: encodeAddress(linkIndex, address),
    };
    command(this.#socket, `add address ${address.ip}/${address.prefixLength} to link ${linkIndex}`, request, [
      "EEXIST",
    ]);
  }

  async removeAddress(linkIndex: number, address: AddressRequest): Promise<void> {
    const request = { type: messageType.deleteAddress, body: encodeAddress(linkIndex, address) };
    command(this.#socket, `remove address ${address.ip}/${address.prefixLength} from link ${linkIndex}`, request, [
      "EADDRNOTAVAIL",
      "ENODEV",
    ]);
  }

  async routes(version: IpVersion): Promise<readonly KernelRoute[]> {
    const request = { type: messageType.getRoute, body: encodeRouteQuery(version) };
    const found = this.#socket.dump(request, decodeRoute);
    if (!("code" in found)) return found;
    // A namespace that never held an IPv4 route has no main table yet.
    if (found.code === "ENOENT") return [];
    throw refused(`list IPv${version} routes`, found);
  }

  async replaceRoutes(routes: readonly KernelRoute[]): Promise<void> {
    const flags = messageFlag.create | messageFlag.replace;
    await this.#changeRoutes("replace", routes, (route) => ({
      type: messageType.newRoute,
      flags,
      body: encodeRoute(route),
    }));
  }

  async deleteRoutes(routes: readonly KernelRoute[]): Promise<void> {
    await this.#changeRoutes("delete", routes, (route) => ({
      type: messageType.deleteRoute,
      body: encodeRouteRemoval(route),
    }));
  }

  close(): void {
    this.#socket.close();
  }

  /** Where the name itself changes, the kernel has to be told the index. */
  #renaming(name: string, change: LinkChange): Buffer {
    const link = this.#link(name);
    if (link === undefined) throw noLink(name);
    return encodeLinkChange({ index: link.index }, change);
  }

  #link(name: string): Link | undefined {
    const request = { type: messageType.getLink, body: encodeLinkQuery(name) };
    const [answer] = this.#socket.transact([request]);
    const [message] = answer?.messages ?? [];
    if (message !== undefined) return decodeLink(message.payload);
    if (answer?.refusal === undefined || answer.refusal.code === "ENODEV") return undefined;
    throw refused(`look up link ${name}`, answer.refusal);
  }

  /** All routes are tried; the error names the first that was refused and how many were. */
  async #changeRoutes(
    verb: "replace" | "delete",
    routes: readonly KernelRoute[],
    requestOf: (route: KernelRoute) => Request,
  ): Promise<void> {
    const failures: Failure[] = [];
    for (let start = 0; start < routes.length; start += REQUESTS_PER_WRITE) {
      if (start > 0) await nextTurn();
      const batch = routes.slice(start, start + REQUESTS_PER_WRITE);
      failures.push(...failuresOf(batch, this.#socket.transact(batch.map(requestOf))));
    }
    // Deleting what is not there is no error.
    const [first, ...others] = failures.filter(({ refusal }) => verb !== "delete" || refusal.code !== "ESRCH");
    if (first === undefined) return;
    const more = others.length === 0 ? "" : ` (and ${others.length} more of ${routes.length} routes)`;
    throw refused(`${verb} route ${describe(first.route)}${more}`, first.refusal);
  }
}

interface Failure {
  readonly route: KernelRoute;
  readonly refusal: Refusal;
}

function failuresOf(routes: readonly KernelRoute[], answers: readonly Answer[]): readonly Failure[] {
  return routes.flatMap((route, index) => {
    const refusal = answers[index]?.refusal;
    return refusal === undefined ? [] : [{ route, refusal }];
  });
}

function describe({ type, destination, gateway, linkIndex }: KernelRoute): string {
  const kind = type === undefined || type === "unicast" ? "" : `${type} `;
  const via = gateway === undefined ? "" : ` via ${gateway}`;
  const link = linkIndex === undefined ? "" : ` on link ${linkIndex}`;
  return `${kind}${destination}${via}${link}`;
}

function noLink(name: string): NetlinkError {
  return new NetlinkError(`change link ${name}`, "ENODEV", "there is none of that name");
}
