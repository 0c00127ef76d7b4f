/** What a pod has of its ServiceAccount, and where the API server is. */
export interface Account {
  readonly server: string;
  readonly token: string;
  /** PEM; undefined: the server's certificate is not looked at. */
  readonly authority: string | undefined;
}

/** A kubeconfig, as JSON, which every reader of YAML takes. */
export function formatAccountKubeconfig({ server, token, authority }: Account): string {
  const trust =
    authority === undefined
      ? { "insecure-skip-tls-verify": true }
      : { "certificate-authority-data": Buffer.from(authority).toString("base64") };
  const config = {
    apiVersion: "v1",
    kind: "Config",
    clusters: [{ name: "local", cluster: { server, ...trust } }],
    users: [{ name: userName, user: { token } }],
    contexts: [{ name: userName, context: { cluster: "local", user: userName } }],
    "current-context": userName,
  };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

/** Whether `formatAccountKubeconfig` made this text. */
export function isAccountKubeconfig(text: string): boolean {
  try {
    return (JSON.parse(text) as { users?: { name?: unknown }[] } | null)?.users?.[0]?.name === userName;
  } catch {
    // Others write YAML.
    return false;
  }
}

// --- internal ---

/** Also tells our file from another's of that name. */
const userName = "margay-cni";
