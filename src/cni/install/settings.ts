/** What the installer is asked to do by its environment: the variables of upstream's `install-cni`, and two of our own. */
export interface InstallSettings {
  /** Where runtimes find the configuration on the host, as paths in it are to say (CNI_NET_DIR). */
  readonly hostNetDir: string;
  readonly confName: string;
  /** A file of an earlier installation, to go once ours stands; undefined when it has our name. */
  readonly oldConfName: string | undefined;
  readonly skippedPrograms: ReadonlySet<string>;
  /** Whether a program that is there already is replaced. */
  readonly updatePrograms: boolean;
  /** The text of the template (CNI_NETWORK_CONFIG), or the file that has it; the file wins, as upstream. */
  readonly template: { readonly text?: string; readonly file?: string };
  /** Whether to stay, and restore what somebody removes or changes. */
  readonly sleep: boolean;
  readonly requireMtuFile: boolean;
  /** Whether the kubeconfig is wanted. */
  readonly kubeconfig: boolean;
  /** Undefined outside a pod. */
  readonly apiServer: string | undefined;
  readonly skipTlsVerify: boolean;
  /** By placeholder without its underscores, such as `CNI_MTU`: those that depend on the environment alone. */
  readonly values: Readonly<Record<string, string>>;
}

/** What was asked for cannot be understood; `faults` has a sentence for each fault. */
export class InstallSettingsError extends Error {
  readonly faults: readonly string[];

  constructor(faults: readonly string[], cause?: unknown) {
    super(`Cannot install the CNI: ${faults.join("; ")}`, { cause });
    this.name = "InstallSettingsError";
    this.faults = faults;
  }
}

/**
 * Reads the environment; a variable that is empty counts as absent. `hostname` is the node's name where KUBERNETES_NODE_NAME
 * says none. Throws an `InstallSettingsError` that names every variable whose value is not understood.
 */
export function installSettingsOf(
  environment: Readonly<Record<string, string | undefined>>,
  hostname: string,
): InstallSettings {
  const variables = new Variables(environment);
  const settings = read(variables, hostname);
  if (variables.faults.length > 0) throw new InstallSettingsError(variables.faults);
  return settings;
}

// --- internal ---

const usualConfName = "10-calico.conflist";

function read(variables: Variables, hostname: string): InstallSettings {
  const confName = variables.matching("CNI_CONF_NAME", confNameRule, usualConfName);
  const oldConfName = variables.matching("CNI_OLD_CONF_NAME", confNameRule, usualConfName);
  const text = variables.text("CNI_NETWORK_CONFIG");
  const file = variables.text("CNI_NETWORK_CONFIG_FILE");
  return {
    hostNetDir: variables.matching("CNI_NET_DIR", pathRule, "/etc/cni/net.d"),
    confName,
    oldConfName: oldConfName === confName ? undefined : oldConfName,
    skippedPrograms: new Set(
      variables
        .text("SKIP_CNI_BINARIES", "")
        .split(",")
        .map((name) => name.trim())
        .filter((name) => name !== ""),
    ),
    updatePrograms: variables.flag("UPDATE_CNI_BINARIES", true),
    template: { ...(text === undefined ? {} : { text }), ...(file === undefined ? {} : { file }) },
    sleep: variables.flag("SLEEP", true),
    requireMtuFile: variables.flag("REQUIRE_MTU_FILE", false),
    kubeconfig: variables.flag("MARGAY_CNI_KUBECONFIG", false),
    apiServer: apiServerOf(variables),
    skipTlsVerify: variables.flag("SKIP_TLS_VERIFY", false),
    values: valuesOf(variables, hostname),
  };
}

function valuesOf(variables: Variables, hostname: string): Readonly<Record<string, string>> {
  return {
    KUBERNETES_NODE_NAME: variables.matching("KUBERNETES_NODE_NAME", nodeNameRule, hostname.trim().toLowerCase()),
    // Not upstream's 1500, which loses packets wherever the node's own MTU is less: 0 has the agent look.
    CNI_MTU: variables.matching("CNI_MTU", mtuRule, "0"),
    LOG_LEVEL: variables.matching("LOG_LEVEL", logLevelRule, "info"),
    LOG_FILE_PATH: variables.text("LOG_FILE_PATH", "/var/log/calico/cni/cni.log"),
    LOG_FILE_MAX_SIZE: variables.matching("LOG_FILE_MAX_SIZE", countRule, "100"),
    LOG_FILE_MAX_AGE: variables.matching("LOG_FILE_MAX_AGE", countRule, "30"),
    LOG_FILE_MAX_COUNT: variables.matching("LOG_FILE_MAX_COUNT", countRule, "10"),
    DATASTORE_TYPE: variables.matching("DATASTORE_TYPE", datastoreRule, "kubernetes"),
    KUBERNETES_SERVICE_HOST: variables.text("KUBERNETES_SERVICE_HOST", ""),
    KUBERNETES_SERVICE_PORT: variables.text("KUBERNETES_SERVICE_PORT", ""),
    // There is no etcd to reach: templates that serve both kinds of datastore leave these empty for this one.
    ...Object.fromEntries(
      ["ENDPOINTS", "DISCOVERY_SRV", "CERT_FILE", "CA_CERT_FILE", "KEY_FILE"].map((name) => [`ETCD_${name}`, ""]),
    ),
  };
}

function apiServerOf(variables: Variables): string | undefined {
  const host = variables.matching("KUBERNETES_SERVICE_HOST", hostRule, "");
  const port = variables.matching("KUBERNETES_SERVICE_PORT", portRule, "443");
  const protocol = variables.matching("KUBERNETES_SERVICE_PROTOCOL", protocolRule, "https");
  return host === "" ? undefined : `${protocol}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

interface Rule {
  readonly pattern: RegExp;
  /** Completes "it is …, not". */
  readonly what: string;
}

/** It becomes the name of a file, and runtimes look at no other endings. */
const confNameRule: Rule = {
  pattern: /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}\.(conflist|conf|json)$/,
  what: "a file name that ends in .conflist, .conf or .json",
};
const pathRule: Rule = { pattern: /^\/[^\0]*$/, what: "an absolute path" };
const nodeNameRule: Rule = {
  pattern: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  what: "the name of a Node: lower-case letters, digits, '-' and '.'",
};
const mtuRule: Rule = {
  pattern: /^(0|[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d\d|655[0-2]\d|6553[0-5])$/,
  what: "a number from 0 (the agent looks) to 65535",
};
const countRule: Rule = { pattern: /^(0|[1-9]\d{0,8})$/, what: "a whole number" };
const logLevelRule: Rule = {
  pattern: /^(panic|fatal|error|warn|warning|info|debug|trace)$/i,
  what: "one of panic, fatal, error, warning, info, debug, trace",
};
const datastoreRule: Rule = { pattern: /^kubernetes$/, what: '"kubernetes", the only datastore there is' };
const hostRule: Rule = { pattern: /^[A-Za-z0-9.:-]+$/, what: "an address or a host's name" };
const portRule: Rule = { pattern: /^[1-9]\d{0,4}$/, what: "a TCP port" };
const protocolRule: Rule = { pattern: /^https?$/, what: '"https" or "http"' };

/** The environment as it is asked for; what is wrong is added to `faults`. */
class Variables {
  readonly faults: string[] = [];
  readonly #environment: Readonly<Record<string, string | undefined>>;

  constructor(environment: Readonly<Record<string, string | undefined>>) {
    this.#environment = environment;
  }

  text(name: string): string | undefined;
  text(name: string, usual: string): string;
  text(name: string, usual?: string): string | undefined {
    return this.#environment[name] || usual;
  }

  matching(name: string, { pattern, what }: Rule, usual: string): string {
    const value = this.#environment[name] || undefined;
    if (value === undefined || pattern.test(value)) return value ?? usual;
    this.faults.push(`${name} is ${JSON.stringify(value)}, not ${what}`);
    return usual;
  }

  /** As Go's `strconv.ParseBool` reads it, which upstream uses. */
  flag(name: string, usual: boolean): boolean {
    const value = this.matching(name, flagRule, String(usual));
    return /^(1|t|true)$/i.test(value);
  }
}

const flagRule: Rule = {
  pattern: /^(1|t|T|TRUE|true|True|0|f|F|FALSE|false|False)$/,
  what: "true or false",
};
