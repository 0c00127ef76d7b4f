/** The lab's certificate authority, over openssl. Keys are EC P-256, valid for ten years; they never leave the lab's folder. */
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { run } from "./run.ts";

/** A certificate and its key, as files. */
export interface KeyPair {
  readonly certificate: string;
  readonly key: string;
}

/** Whom a client certificate speaks for: user and groups, as Kubernetes reads them. */
export interface Subject {
  readonly user: string;
  readonly groups?: readonly string[];
}

export interface Authority extends KeyPair {
  readonly folder: string;
}

const common = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "3650"] as const;

/** Makes the authority in `folder`, which is made too. */
export async function makeAuthority(folder: string): Promise<Authority> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const pair = pairAt(folder, "ca");
  await openssl([
    ...["req", "-x509", ...common, "-subj", "/CN=margay-lab", "-keyout", pair.key, "-out", pair.certificate],
    ...["-addext", "keyUsage=critical,keyCertSign,cRLSign"],
  ]);
  return { ...pair, folder };
}

/** A serving certificate for these DNS names and addresses. */
export function makeServerPair(authority: Authority, name: string, hosts: readonly string[]): Promise<KeyPair> {
  const names = hosts.map((host) => (/^[\d.]+$|:/.test(host) ? `IP:${host}` : `DNS:${host}`));
  return sign(authority, name, [
    ...["-subj", `/CN=${name}`, "-addext", `subjectAltName=${names.join(",")}`],
    ...["-addext", "extendedKeyUsage=serverAuth"],
  ]);
}

/** A client certificate that kube-apiserver reads as this user in these groups. */
export function makeClientPair(authority: Authority, name: string, subject: Subject): Promise<KeyPair> {
  const groups = (subject.groups ?? []).map((group) => `/O=${group}`).join("");
  return sign(authority, name, ["-subj", `${groups}/CN=${subject.user}`, "-addext", "extendedKeyUsage=clientAuth"]);
}

/** A bare key pair, e.g. for ServiceAccount tokens: private key and public key. */
export async function makeSigningPair(folder: string, name: string): Promise<KeyPair> {
  const [key, certificate] = [join(folder, `${name}.key`), join(folder, `${name}.pub`)];
  await openssl(["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key]);
  await openssl(["pkey", "-in", key, "-pubout", "-out", certificate]);
  return { key, certificate };
}

/** What a kubeconfig needs to know. */
export interface Access {
  readonly server: string;
  readonly authority: Authority;
  readonly credentials: KeyPair | { readonly token: string } | { readonly tokenFile: string };
}

/** A kubeconfig (JSON, which is YAML) with the certificates inside, so that it can be copied anywhere. */
export async function kubeconfigText({ server, authority, credentials }: Access): Promise<string> {
  const encoded = (path: string) => readFile(path, "base64");
  const user =
    "key" in credentials
      ? {
          "client-certificate-data": await encoded(credentials.certificate),
          "client-key-data": await encoded(credentials.key),
        }
      : credentials;
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "lab", cluster: { server, "certificate-authority-data": await encoded(authority.certificate) } },
    ],
    users: [{ name: "lab", user }],
    contexts: [{ name: "lab", context: { cluster: "lab", user: "lab" } }],
    "current-context": "lab",
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

// --- internal ---

function pairAt(folder: string, name: string): KeyPair {
  return { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
}

function openssl(argv: readonly string[]): Promise<string> {
  return run(["openssl", ...argv]);
}

async function sign(authority: Authority, name: string, rest: readonly string[]): Promise<KeyPair> {
  const pair = pairAt(authority.folder, name);
  await openssl([
    ...["req", "-x509", ...common, "-CA", authority.certificate, "-CAkey", authority.key],
    ...["-keyout", pair.key, "-out", pair.certificate, "-addext", "basicConstraints=critical,CA:FALSE", ...rest],
  ]);
  return pair;
}
