import { systemNamespace } from "../api/names.ts";
import { agentAudience, controllersServiceAccount } from "../api/node-query.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";

/** The token that agents accept: of our own ServiceAccount, for them alone, good for ten minutes. */
export class AgentToken {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  #held: Held | undefined;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  /**
   * Many callers share one request. `refused` is a token that an agent has just refused: the answer is another one.
   * Rejects as the client does.
   */
  async get(refused?: string): Promise<string> {
    const held = this.#held !== undefined && this.#clock.monotonicNow() < this.#held.until ? this.#held : this.#renew();
    const token = await held.token;
    if (token !== refused) return token;
    return (this.#held === undefined || this.#held === held ? this.#renew() : this.#held).token;
  }

  #renew(): Held {
    const held = { token: this.#request(), until: this.#clock.monotonicNow() + renewAfterMs };
    this.#held = held;
    // A failure is not remembered; whoever asked hears of it.
    held.token.catch(() => {
      if (this.#held === held) this.#held = undefined;
    });
    return held;
  }

  async #request(): Promise<string> {
    const path = `/api/v1/namespaces/${systemNamespace}/serviceaccounts/${controllersServiceAccount}/token`;
    const body = {
      apiVersion: "authentication.k8s.io/v1",
      kind: "TokenRequest",
      spec: { audiences: [agentAudience], expirationSeconds: lifetimeSeconds },
    };
    const { status } = await this.#client.request<TokenRequest>("POST", path, { body, timeoutMs: 10_000 });
    return status.token;
  }
}

// --- internal ---

interface Held {
  readonly token: Promise<string>;
  readonly until: number;
}

interface TokenRequest {
  readonly status: { readonly token: string };
}

/** The least that the API server gives. */
const lifetimeSeconds = 600;
const renewAfterMs = lifetimeSeconds * 1000 * 0.8;
