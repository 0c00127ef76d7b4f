import type { Host } from "./host.ts";

/** A key and the certificate for it, PEM. */
export interface KeyPair {
  readonly key: string;
  readonly certificate: string;
}

/**
 * A new EC P-256 key and a server certificate that it signs itself, good for ten years and for the DNS name `name`: for
 * callers that are told this very certificate beforehand. Made by `openssl`; the key is never in a file.
 * Rejects with a `CommandError` when it cannot be run.
 */
export async function makeSelfSigned(host: Host, name: string): Promise<KeyPair> {
  const { stdout } = await host.run([
    ...(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] as const),
    ...["-nodes", "-sha256", "-days", "3650", "-subj", `/CN=${commonName(name)}`],
    ...["-addext", `subjectAltName=DNS:${name}`, "-addext", "basicConstraints=critical,CA:FALSE"],
    ...["-addext", "extendedKeyUsage=serverAuth", "-keyout", "-", "-out", "-"],
  ]);
  const [key, certificate] = [pemOf(stdout, "PRIVATE KEY"), pemOf(stdout, "CERTIFICATE")];
  if (key === undefined || certificate === undefined) {
    throw new Error(`Cannot make a certificate for ${name}: openssl printed no key and certificate`);
  }
  return { key, certificate };
}

// --- internal ---

/** X.520 bounds a common name to 64 characters. */
function commonName(name: string): string {
  return name.slice(0, 64);
}

function pemOf(text: string, type: string): string | undefined {
  const found = new RegExp(`-----BEGIN ${type}-----[^-]+-----END ${type}-----`).exec(text)?.[0];
  return found === undefined ? undefined : `${found}\n`;
}
