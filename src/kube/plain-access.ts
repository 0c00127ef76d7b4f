import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { parse as parseYaml } from "yaml";
import { z } from "zod";
import type { Credentials } from "./https-client.ts";

/** A way to an API server that needs no more than what stands in files. */
export interface PlainAccess {
  /** As the kubeconfig has it. */
  readonly server: string;
  readonly credentials: Credentials;
}

/**
 * What a kubeconfig of the usual kinds says: a token, a token's file, a client certificate, or a name and a password. Undefined
 * for every other, and for one that is not in order: who reads those knows more, and costs half a second and 90 MB.
 */
export function plainAccessOf(path: string): PlainAccess | undefined {
  const parsed = kubeconfig.safeParse(parsedOrNothing(path));
  if (!parsed.success) return undefined;
  const { clusters, contexts, users, "current-context": current } = parsed.data;
  const context = contexts.find(({ name }) => name === current)?.context;
  const cluster = clusters.find(({ name }) => name === context?.cluster)?.cluster;
  const user = users.find(({ name }) => name === context?.user)?.user;
  if (cluster === undefined || user === undefined) return undefined;
  const folder = dirname(path);
  const ca = contentOf(cluster["certificate-authority-data"], cluster["certificate-authority"], folder);
  const cert = contentOf(user["client-certificate-data"], user["client-certificate"], folder);
  const key = contentOf(user["client-key-data"], user["client-key"], folder);
  const tls = {
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(cluster["insecure-skip-tls-verify"] === true ? { rejectUnauthorized: false } : {}),
    ...(cluster["tls-server-name"] === undefined ? {} : { servername: cluster["tls-server-name"] }),
  };
  return { server: cluster.server, credentials: { headers: headersOf(user, folder), tls } };
}

/** A pod's own service account, in `folder`; undefined when it has none. */
export function serviceAccountAccess(folder: string): PlainAccess | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port } = process.env;
  if (host === undefined || port === undefined || !existsSync(resolve(folder, "token"))) return undefined;
  const token = readFileSync(resolve(folder, "token"), "utf8").trim();
  const authority = resolve(folder, "ca.crt");
  const tls = existsSync(authority) ? { ca: readFileSync(authority) } : {};
  const name = host.includes(":") ? `[${host}]` : host;
  return { server: `https://${name}:${port}`, credentials: { headers: { authorization: `Bearer ${token}` }, tls } };
}

// --- internal ---

/** Strict: a field that is not named here may change what is meant. */
const user = z
  .strictObject({
    token: z.string().min(1).optional(),
    tokenFile: z.string().min(1).optional(),
    username: z.string().optional(),
    password: z.string().optional(),
    "client-certificate": z.string().optional(),
    "client-certificate-data": z.string().optional(),
    "client-key": z.string().optional(),
    "client-key-data": z.string().optional(),
  })
  .readonly();

const kubeconfig = z.object({
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.strictObject({
        server: z.url({ protocol: /^https?$/ }),
        "certificate-authority": z.string().optional(),
        "certificate-authority-data": z.string().optional(),
        "insecure-skip-tls-verify": z.boolean().optional(),
        "tls-server-name": z.string().optional(),
      }),
    }),
  ),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) })),
  users: z.array(z.object({ name: z.string(), user })),
  "current-context": z.string(),
});

function parsedOrNothing(path: string): unknown {
  const text = existsSync(path) ? readFileSync(path, "utf8") : "";
  try {
    return parseYaml(text);
  } catch {
    // It is read again by who can say what is wrong with it.
    return undefined;
  }
}

function contentOf(data: string | undefined, file: string | undefined, folder: string): Buffer | undefined {
  if (data !== undefined) return Buffer.from(data, "base64");
  return file === undefined ? undefined : readFileSync(resolve(folder, file));
}

function headersOf(user: z.output<typeof kubeconfig>["users"][number]["user"], folder: string): Record<string, string> {
  const token = user.token ?? (user.tokenFile && readFileSync(resolve(folder, user.tokenFile), "utf8"));
  if (token !== undefined) return { authorization: `Bearer ${token.trim()}` };
  if (user.username === undefined) return {};
  return { authorization: `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}` };
}
