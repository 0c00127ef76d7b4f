import { existsSync, readFileSync } from "node:fs";
import type { RequestOptions as HttpsOptions } from "node:https";
import { homedir } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import type { KubeConfig } from "@kubernetes/client-node";
import { parse as parseYaml } from "yaml";
import type { Clock } from "../net/clock.ts";
import { messageOf } from "../net/message-of.ts";
import type { KubeClient } from "./client.ts";
import type { TlsCredentials } from "./connection-pool.ts";
import { type Credentials, HttpsKubeClient } from "./https-client.ts";
import { type PlainAccess, plainAccessOf, serviceAccountAccess } from "./plain-access.ts";

/** Where to find the API server. */
export interface ConnectOptions {
  /** A file. Default: the files of `KUBECONFIG`, then `~/.kube/config`, then a pod's own service account. */
  readonly kubeconfig?: string | undefined;
  readonly clock: Clock;
}

/** There is no usable way to the API server; the message says where it was looked for and what is wrong there. */
class KubeconfigError extends Error {
  override readonly name = "KubeconfigError";
}

/**
 * A client for the cluster that the kubeconfig's current context names, with whatever authentication it asks for.
 * Nothing is sent yet. Credentials are read again every minute and whenever the server refuses them, so renewed files
 * and tokens are taken up. Rejects with a KubeconfigError.
 */
export async function connect({ kubeconfig, clock }: ConnectOptions): Promise<KubeClient> {
  const source = sourceOf(kubeconfig);
  const plain = readPlain(source);
  if (plain !== undefined) return plainClient(source, plain, clock);
  const library = await importLibrary();
  const load = () => loadFrom(source, library);
  const config = load();
  const server = serverOf(config, source);
  return new HttpsKubeClient({ server, credentials: rememberCredentials(config, load, clock), clock });
}

// --- internal ---

type Library = typeof import("@kubernetes/client-node");

/** Where the configuration comes from: the words for messages, and how to read it. */
interface Source {
  readonly place: string;
  readonly load: (library: Library) => KubeConfig;
  /** The same without the library, where it says nothing but what stands in files. */
  readonly plain: () => PlainAccess | undefined;
}

/** Half a second and 90 MB: only for who needs it. */
function importLibrary(): Promise<Library> {
  return import("@kubernetes/client-node");
}

/** Undefined also when a file that it names cannot be read: the library says which, as it always has. */
function readPlain({ plain }: Source): PlainAccess | undefined {
  try {
    return plain();
  } catch (error) {
    if (error instanceof Error && "code" in error) return undefined;
    throw error;
  }
}

/** Reads the files again each minute, and whenever the server refuses; what is no longer plain is left to the library. */
function plainClient(source: Source, first: PlainAccess, clock: Clock): KubeClient {
  let held = { credentials: Promise.resolve(first.credentials), until: clock.monotonicNow() + rememberMs };
  const credentials = (refused: boolean): Promise<Credentials> => {
    if (!refused && clock.monotonicNow() < held.until) return held.credentials;
    const plain = readPlain(source);
    const read = plain === undefined ? byLibrary(source) : Promise.resolve(plain.credentials);
    held = { credentials: read, until: clock.monotonicNow() + rememberMs };
    // A failure is not remembered; whoever asked hears of it.
    read.catch(() => {
      if (held.credentials === read) held = { ...held, until: 0 };
    });
    return read;
  };
  return new HttpsKubeClient({ server: first.server, credentials, clock });
}

async function byLibrary(source: Source): Promise<Credentials> {
  return credentialsOf(loadFrom(source, await importLibrary()));
}

const serviceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
const serviceAccountToken = join(serviceAccountFolder, "token");
const rememberMs = 60_000;

function sourceOf(path: string | undefined): Source {
  const fromFiles = (place: string, files: readonly string[]): Source => ({
    place,
    load: (library) => loadFiles(library, files),
    // How several are merged is the library's affair.
    plain: () => (files.length === 1 && files[0] !== undefined ? plainAccessOf(files[0]) : undefined),
  });
  if (path !== undefined) return fromFiles(path, [path]);
  const listed = process.env["KUBECONFIG"] ?? "";
  if (listed !== "") return fromFiles(`KUBECONFIG=${listed}`, listed.split(delimiter).filter(Boolean));
  const usual = join(homedir(), ".kube", "config");
  if (existsSync(usual)) return fromFiles(usual, [usual]);
  if (process.env["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(serviceAccountToken)) {
    const plain = () => serviceAccountAccess(serviceAccountFolder);
    return { place: "the pod's service account", load: loadServiceAccount, plain };
  }
  throw new KubeconfigError(
    `Cannot find the API server: no kubeconfig was named, KUBECONFIG is not set, ${usual} is not there, and this is no pod with a service account; name a kubeconfig with --kubeconfig`,
  );
}

/** Of several files, the first that sets the current context decides it, as in kubectl. */
function loadFiles({ KubeConfig }: Library, files: readonly string[]): KubeConfig {
  const merged = new KubeConfig();
  for (const file of files) {
    const one = new KubeConfig();
    one.loadFromFile(file);
    pointAtTokenFiles(one, file);
    merged.mergeConfig(one, Boolean(merged.currentContext));
  }
  return merged;
}

/** The library knows the tokens of `tokenFile` users, read again every minute, but not that name in a kubeconfig. */
function pointAtTokenFiles(config: KubeConfig, file: string): void {
  const { users } = parseYaml(readFileSync(file, "utf8")) as KubeconfigFile;
  for (const { name, user } of users ?? []) {
    if (user?.tokenFile === undefined || user.token !== undefined) continue;
    const tokenFile = resolve(dirname(file), user.tokenFile);
    const known = config.getUser(name) as { authProvider?: unknown } | null;
    if (known !== null) known.authProvider = { name: "tokenFile", config: { tokenFile } };
  }
}

interface KubeconfigFile {
  readonly users?: readonly {
    readonly name: string;
    readonly user?: { readonly token?: string; readonly tokenFile?: string };
  }[];
}

function loadServiceAccount({ KubeConfig }: Library): KubeConfig {
  const config = new KubeConfig();
  config.loadFromCluster();
  return config;
}

function loadFrom({ place, load }: Source, library: Library): KubeConfig {
  try {
    return load(library);
  } catch (cause) {
    throw new KubeconfigError(`Cannot read the kubeconfig ${place}: ${reasonOf(cause)}`, { cause });
  }
}

function reasonOf(cause: unknown): string {
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
    return `there is no such file (${cause.message})`;
  // What the library says of a file with no clusters, users or contexts in it.
  if (cause instanceof TypeError) return "it is not a kubeconfig: clusters, users and contexts must be lists";
  return messageOf(cause);
}

function serverOf(config: KubeConfig, { place }: Source): string {
  const context = config.getCurrentContext();
  const cluster = config.getCurrentCluster();
  const refuse = (why: string) => new KubeconfigError(`Cannot use the kubeconfig ${place}: ${why}`);
  if (!context) throw refuse("it has no current-context");
  if (cluster === null) throw refuse(`its current-context ${JSON.stringify(context)} names no context with a cluster`);
  if (!URL.canParse(cluster.server)) throw refuse(`the server ${JSON.stringify(cluster.server)} is not a URL`);
  if (cluster.proxyUrl) throw refuse("proxy-url is not supported");
  return cluster.server;
}

function rememberCredentials(first: KubeConfig, load: () => KubeConfig, clock: Clock) {
  let config = first;
  let held: { readonly credentials: Promise<Credentials>; readonly until: number } | undefined;
  return (refused: boolean): Promise<Credentials> => {
    if (held !== undefined && !refused && clock.monotonicNow() < held.until) return held.credentials;
    // A credential plugin's answer lives in the loaded configuration: loading anew would run the plugin each time.
    const byPlugin = config.getCurrentUser()?.exec != null;
    const credentials = Promise.try(() => {
      if (held !== undefined && (refused || !byPlugin)) config = load();
      return credentialsOf(config);
    });
    const mine = { credentials, until: clock.monotonicNow() + rememberMs };
    held = mine;
    // A failure is not remembered; whoever asked hears of it.
    credentials.catch(() => {
      if (held === mine) held = { credentials, until: 0 };
    });
    return credentials;
  };
}

async function credentialsOf(config: KubeConfig): Promise<Credentials> {
  const options: HttpsOptions = {};
  try {
    await config.applyToHTTPSOptions(options);
  } catch (cause) {
    const why = messageOf(cause).trim();
    const user = config.getCurrentUser()?.name ?? "";
    throw new KubeconfigError(`Cannot get the credentials of the kubeconfig's user ${JSON.stringify(user)}: ${why}`, {
      cause,
    });
  }
  return { headers: headersOf(options), tls: tlsOf(options) };
}

function headersOf(options: HttpsOptions): Record<string, string> {
  const headers: Record<string, string> = {};
  // A token file may end with a line end, which no header may hold.
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = String(value).trim();
  if (options.auth) headers["authorization"] = `Basic ${Buffer.from(options.auth).toString("base64")}`;
  return headers;
}

function tlsOf(options: HttpsOptions): TlsCredentials {
  const { ca, cert, key, passphrase, rejectUnauthorized, servername } = options;
  const given = Object.entries({ ca, cert, key, passphrase, rejectUnauthorized, servername });
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as TlsCredentials;
}
