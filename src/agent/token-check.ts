import { createHash } from "node:crypto";
import { systemNamespace } from "../api/names.ts";
import { agentAudience, controllersServiceAccount } from "../api/node-query.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Clock } from "../net/clock.ts";

/** What became of a token: it may ask; it is none that counts here; or it is somebody else's. */
export type TokenVerdict = "allowed" | "unknown" | "forbidden";

/**
 * Tells by TokenReview whether a token is for agents and the controllers' own. A verdict holds for ten seconds. Rejects,
 * and remembers nothing, when the API server does not answer or too much is being reviewed already.
 */
export class TokenCheck {
  readonly #client: KubeClient;
  readonly #clock: Clock;
  /** By a hash: a token stands nowhere longer than it must. Oldest first. */
  readonly #verdicts = new Map<string, { readonly verdict: Promise<TokenVerdict>; readonly until: number }>();
  #reviewing = 0;

  constructor(client: KubeClient, clock: Clock) {
    this.#client = client;
    this.#clock = clock;
  }

  verdict(token: string): Promise<TokenVerdict> {
    const hash = createHash("sha256").update(token).digest("hex");
    this.#forgetOld();
    const known = this.#verdicts.get(hash);
    if (known !== undefined) return known.verdict;
    const verdict = this.#review(token);
    const mine = { verdict, until: this.#clock.monotonicNow() + verdictMs };
    this.#verdicts.set(hash, mine);
    verdict.catch(() => {
      if (this.#verdicts.get(hash) === mine) this.#verdicts.delete(hash);
    });
    return verdict;
  }

  #forgetOld(): void {
    for (const [hash, { until }] of this.#verdicts) {
      if (this.#clock.monotonicNow() < until && this.#verdicts.size < mostVerdicts) return;
      this.#verdicts.delete(hash);
    }
  }

  async #review(token: string): Promise<TokenVerdict> {
    // Anybody can send us anything, and make us ask the API server: never more than this at once.
    if (this.#reviewing >= mostReviews) throw new Error("Cannot check the token: too many are being checked");
    this.#reviewing++;
    try {
      const body = {
        apiVersion: "authentication.k8s.io/v1",
        kind: "TokenReview",
        spec: { token, audiences: [agentAudience] },
      };
      const path = "/apis/authentication.k8s.io/v1/tokenreviews";
      const { status } = await this.#client.request<TokenReview>("POST", path, { body, timeoutMs: 5_000 });
      // An authenticator that knows nothing of audiences names none: then the token is for the API server itself.
      if (status.authenticated !== true || status.audiences?.includes(agentAudience) !== true) return "unknown";
      return status.user?.username === expectedUser ? "allowed" : "forbidden";
    } finally {
      this.#reviewing--;
    }
  }
}

// --- internal ---

interface TokenReview {
  readonly status: {
    readonly authenticated?: boolean;
    readonly audiences?: readonly string[];
    readonly user?: { readonly username?: string };
  };
}

const verdictMs = 10_000;
const mostVerdicts = 256;
const mostReviews = 8;
const expectedUser = `system:serviceaccount:${systemNamespace}:${controllersServiceAccount}`;
