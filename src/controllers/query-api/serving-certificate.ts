import { X509Certificate } from "node:crypto";
import { systemNamespace } from "../../api/names.ts";
import type { Host } from "../../host/host.ts";
import { type KeyPair, makeSelfSigned } from "../../host/self-signed.ts";
import type { KubeClient } from "../../kube/client.ts";
import { queryGroup, queryVersion } from "./query-resource.ts";

/** By which name the API server calls the Service. */
const queryServerName = `margay-query.${systemNamespace}.svc`;

/**
 * The key and certificate that all controllers processes serve with: from the Secret `margay-query-tls`, which is in the
 * manifest, empty. Whoever finds it without a usable pair fills it; of several at once one wins, and the others' call
 * rejects with a conflict: the next one finds the winner's pair.
 */
export async function readServingPair(client: KubeClient, host: Host, nowMs: number): Promise<KeyPair> {
  const secret = await client.request<Secret>("GET", secretPath, { timeoutMs });
  const found = pairIn(secret, nowMs);
  if (found !== undefined) return found;
  const made = await makeSelfSigned(host, queryServerName);
  const data = { "tls.crt": encoded(made.certificate), "tls.key": encoded(made.key) };
  // `metadata` brings the revision that was looked at.
  await client.request("PUT", secretPath, { body: { ...secret, data }, timeoutMs });
  return made;
}

/** Lets the API server trust this certificate: writes it into the APIService, unless it is there already. */
export async function publishCertificate(client: KubeClient, certificate: string): Promise<void> {
  const caBundle = encoded(certificate);
  const found = await client.request<ApiService>("GET", apiServicePath, { timeoutMs });
  if (found.spec.caBundle === caBundle) return;
  await client.patch(apiServicePath, { spec: { caBundle } }, { type: "merge", timeoutMs });
}

// --- internal ---

const timeoutMs = 10_000;
const secretPath = `/api/v1/namespaces/${systemNamespace}/secrets/margay-query-tls`;
const apiServicePath = `/apis/apiregistration.k8s.io/v1/apiservices/${queryVersion}.${queryGroup}`;
/** One that ends sooner is made anew. */
const renewBeforeMs = 30 * 24 * 3600 * 1000;

interface Secret {
  readonly data?: Readonly<Record<string, string>>;
}

interface ApiService {
  readonly spec: { readonly caBundle?: string };
}

/** Undefined when it is not there, cannot be read, is for another name or ends soon. */
function pairIn({ data }: Secret, nowMs: number): KeyPair | undefined {
  const certificate = decoded(data?.["tls.crt"]);
  const key = decoded(data?.["tls.key"]);
  if (certificate === "" || key === "") return undefined;
  try {
    const read = new X509Certificate(certificate);
    const isGood = read.checkHost(queryServerName) !== undefined && Date.parse(read.validTo) - nowMs > renewBeforeMs;
    return isGood ? { key, certificate } : undefined;
  } catch {
    // Whatever stands there is no certificate, so nobody serves with it.
    return undefined;
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString("base64");
}

function decoded(text = ""): string {
  return Buffer.from(text, "base64").toString("utf8");
}
