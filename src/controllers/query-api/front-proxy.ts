import type { TLSSocket } from "node:tls";
import { z } from "zod";
import type { KubeClient } from "../../kube/client.ts";
import { StatusError } from "./status.ts";

/** How the API server shows itself when it hands a request on, and where it says for whom. */
export interface FrontProxy {
  /** PEM: who may sign its client certificate. */
  readonly certificateAuthority: string;
  /** Common names of the certificates that count; empty: all. */
  readonly names: readonly string[];
  readonly usernameHeaders: readonly string[];
  readonly groupHeaders: readonly string[];
  readonly extraPrefixes: readonly string[];
}

/** Who asks, as the API server has authenticated them. */
export interface Requester {
  readonly user: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
}

/** The API server's own word on it, for every extension server. Rejects when it does not proxy at all. */
export async function readFrontProxy(client: KubeClient): Promise<FrontProxy> {
  const json = await client.request<unknown>("GET", configMapPath, { timeoutMs: 10_000 });
  const parsed = schema.safeParse(json);
  if (!parsed.success) {
    throw new Error(
      "Cannot serve the query API: the ConfigMap kube-system/extension-apiserver-authentication names no front proxy. " +
        "Start kube-apiserver with --requestheader-client-ca-file",
      { cause: parsed.error },
    );
  }
  const { data } = parsed.data;
  return {
    certificateAuthority: data["requestheader-client-ca-file"],
    names: data["requestheader-allowed-names"],
    usernameHeaders: data["requestheader-username-headers"],
    groupHeaders: data["requestheader-group-headers"],
    extraPrefixes: data["requestheader-extra-headers-prefix"],
  };
}

/** All values of each header, by its name in lower case. */
type Headers = NodeJS.Dict<string[]>;

/** Who asks. Throws a StatusError (401) unless the request comes from the API server. */
export function requesterOf(proxy: FrontProxy, socket: TLSSocket, headers: Headers): Requester {
  // The names in headers are anybody's to write: they count from the front proxy only.
  const name = socket.authorized ? socket.getPeerCertificate().subject?.CN : undefined;
  if (typeof name !== "string" || (proxy.names.length > 0 && !proxy.names.includes(name))) {
    throw new StatusError(401, "Cannot answer: only kube-apiserver may ask here; use its /apis/query.margay.io");
  }
  const user = proxy.usernameHeaders.flatMap((header) => valuesOf(headers, header))[0];
  if (user === undefined || user === "") throw new StatusError(401, "Cannot answer: the request names no user");
  return {
    user,
    groups: proxy.groupHeaders.flatMap((header) => valuesOf(headers, header)),
    extra: extraOf(headers, proxy.extraPrefixes),
  };
}

// --- internal ---

const configMapPath = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication";

/** A JSON list of strings; empty when absent. */
const jsonList = z
  .string()
  .default("[]")
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch {
      context.addIssue("it must be a JSON list");
      return z.NEVER;
    }
  })
  .pipe(z.array(z.string()));

const schema = z.object({
  data: z.object({
    "requestheader-client-ca-file": z.string().min(1),
    "requestheader-allowed-names": jsonList,
    "requestheader-username-headers": jsonList,
    "requestheader-group-headers": jsonList,
    "requestheader-extra-headers-prefix": jsonList,
  }),
});

function valuesOf(headers: Headers, name: string): readonly string[] {
  return headers[name.toLowerCase()] ?? [];
}

/** What follows the prefix is the key, percent-encoded, since a header's name cannot hold every character. */
function extraOf(headers: Headers, prefixes: readonly string[]): Requester["extra"] {
  const found = Object.entries(headers).flatMap(([name, values = []]) => {
    const prefix = prefixes.find((one) => name.startsWith(one.toLowerCase()));
    return prefix === undefined ? [] : [[decoded(name.slice(prefix.length)), values] as const];
  });
  return Object.fromEntries(found);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
