import type { BlockFacts } from "./block-facts.ts";
import { bestRoute } from "./compare-routes.ts";
import { exchangeRoute } from "./exchange-route.ts";
import type { End, Network, Router } from "./network.ts";
import { newRoute, ownAttributes, type Route } from "./route.ts";

/** How one network's routes end up. */
export interface Propagated {
  /** Every router's routes, by its index. */
  readonly routes: readonly (readonly Route[])[];
  /** Undefined when it is whole; else what makes the answer doubtful. */
  readonly doubt: "too many ways" | "never settles" | undefined;
}

/** Ways to one network that a router keeps. With ADD-PATH between many reflectors or external peers they multiply. */
const mostRoutes = 64;

/** Messages about one network, for each session: beyond them it is taken for an oscillation (RFC 3345). */
const mostMessagesPerEnd = 256;

/**
 * Passes on one block until nobody has anything new to say. Each message is one route that comes or goes; they arrive in
 * the order in which they were sent. An end with ADD-PATH sends every route, any other one only its router's best.
 */
export function propagate(network: Network, block: BlockFacts, owners: Iterable<Router>): Propagated {
  return new Propagation(network, block).run(owners);
}

// --- internal ---

interface Message {
  readonly route: Route;
  readonly to: Router;
  readonly isWithdrawal: boolean;
}

class Propagation {
  readonly #block: BlockFacts;
  readonly #routes: Route[][];
  /** By a router's index: the best route that it has told of, and what others have of it. */
  readonly #told = new Map<number, { readonly best: Route | undefined; readonly children: readonly Route[] }>();
  readonly #queue: Message[] = [];
  readonly #mostMessages: number;
  /** Without an end that takes back, nobody has to remember what came of what. */
  readonly #takesBack: boolean;
  #overflows = false;

  constructor(network: Network, block: BlockFacts) {
    this.#block = block;
    this.#routes = network.routers.map(() => []);
    this.#takesBack = network.routers.some(({ hasBestOnlyEnds }) => hasBestOnlyEnds);
    this.#mostMessages = mostMessagesPerEnd * (1000 + 2 * network.established);
  }

  run(owners: Iterable<Router>): Propagated {
    for (const to of owners) {
      this.#queue.push({ route: newRoute(ownAttributes(to.normalRoutePriority), undefined), to, isWithdrawal: false });
    }
    for (let at = 0; at < this.#queue.length; at++) {
      if (at > this.#mostMessages) return { routes: this.#routes, doubt: "never settles" };
      const message = this.#queue[at] as Message;
      if (message.isWithdrawal) this.#withdraw(message);
      else this.#announce(message);
    }
    return { routes: this.#routes, doubt: this.#overflows ? "too many ways" : undefined };
  }

  #announce({ route, to }: Message): void {
    const routes = this.#routes[to.index] as Route[];
    if (routes.length >= mostRoutes) {
      this.#overflows = true;
      return;
    }
    routes.push(route);
    const ends = route.from?.internal && route.from.cluster === undefined ? outwardEnds(route.from) : to.ends;
    for (const end of ends) if (end.addPath) this.#send(route, end, route.children);
    this.#tellBest(to);
  }

  #withdraw({ route, to }: Message): void {
    const routes = this.#routes[to.index] as Route[];
    const at = routes.indexOf(route);
    if (at >= 0) routes.splice(at, 1);
    this.#takeBack(route.children);
    this.#tellBest(to);
  }

  #tellBest(router: Router): void {
    if (!router.hasBestOnlyEnds) return;
    const best = bestRoute(this.#routes[router.index] as Route[]);
    const before = this.#told.get(router.index);
    if (before?.best === best) return;
    this.#takeBack(before?.children ?? []);
    const children: Route[] = [];
    if (best !== undefined) {
      for (const end of router.ends) if (!end.addPath) this.#send(best, end, children);
    }
    this.#told.set(router.index, { best, children });
  }

  #takeBack(children: readonly Route[]): void {
    for (const route of children) {
      this.#queue.push({ route, to: (route.from as End).router, isWithdrawal: true });
    }
  }

  #send(route: Route, end: End, children: Route[]): void {
    const attributes = exchangeRoute(route, end, this.#block);
    if (attributes === undefined) return;
    const child = newRoute(attributes, end.remote);
    if (this.#takesBack) children.push(child);
    this.#queue.push({ route: child, to: end.remote.router, isWithdrawal: false });
  }
}

function outwardEnds({ router, localAs }: End): readonly End[] {
  return localAs === router.localAs ? router.outwardEnds : router.ends;
}
