import { parseAsNumber } from "../../api/as-number.ts";
import { parseDuration } from "../../api/duration.ts";
import { type Ip, type IpVersion, parseIp, versionOf } from "../../net/ip.ts";
import { messageOf } from "../../net/message-of.ts";
import { type DetectionMethod, parseDetectionMethod } from "./detection-method.ts";

/** What a node's address of one version shall be. */
export type AddressWish =
  /** No BGP in this family. */
  | { readonly kind: "none" }
  | { readonly kind: "fixed"; readonly ip: Ip; readonly prefixLength: number | undefined }
  | {
      readonly kind: "detect";
      /** Undefined: the Node's InternalIP, else the first that is found. */
      readonly method: DetectionMethod | undefined;
      /** What the Node says already counts, if it says anything. */
      readonly keepsWhatIsThere: boolean;
    };

/** What the agent's environment says of its node's addresses. */
export interface AddressSettings {
  readonly wishes: Readonly<Record<IpVersion, AddressWish>>;
  /** Written to the Node; undefined: nothing is. */
  readonly asNumber: number | undefined;
  /** How often an address that is detected is detected anew; 0: never. */
  readonly pollMs: number;
  /** Whether an address that another Node has is refused. */
  readonly checksConflicts: boolean;
  /** What cannot be used, a sentence each, which says what counts instead. */
  readonly problems: readonly string[];
}

/**
 * Upstream's variables: `IP`, `IP6` (`autodetect`, `none`, an address with or without a length; empty: as the Node says),
 * `IP_AUTODETECTION_METHOD`, `IP6_AUTODETECTION_METHOD`, `AUTODETECT_POLL_INTERVAL` (60s), `DISABLE_NODE_IP_CHECK`, `AS`.
 */
export function addressSettings(environment: Readonly<Record<string, string | undefined>>): AddressSettings {
  const problems: string[] = [];
  const read = <T>(
    name: string,
    parse: (text: string) => T,
    instead: { readonly value: T; readonly text: string },
  ): T => {
    const text = environment[name]?.trim() ?? "";
    if (text === "") return instead.value;
    try {
      return parse(text);
    } catch (error) {
      problems.push(`Cannot use ${name}=${JSON.stringify(text)}: ${messageOf(error)}; ${instead.text}.`);
      return instead.value;
    }
  };
  const wishOf = (version: IpVersion): AddressWish => {
    const prefix = version === 4 ? "IP" : "IP6";
    const byDefault = { value: undefined, text: "the Node's InternalIP counts, or the first address that is found" };
    const method = read(`${prefix}_AUTODETECTION_METHOD`, parseDetectionMethod, byDefault);
    const kept = { kind: "detect", keepsWhatIsThere: true } as const;
    // Without a word an IPv4 address is looked for, and an IPv6 one counts if the Node has it as its InternalIP.
    const silent: AddressWish =
      version === 4 ? { ...kept, method } : { ...kept, method: { kind: "kubernetes-internal-ip" } };
    const instead = { value: silent, text: "the Node keeps the address that it has" };
    return read(prefix, (text) => parseWish(text, version, method), instead);
  };
  return {
    wishes: { 4: wishOf(4), 6: wishOf(6) },
    asNumber: read("AS", asNumberOf, { value: undefined, text: "the Node keeps the AS that it has" }),
    pollMs: read("AUTODETECT_POLL_INTERVAL", parseDuration, { value: 60_000, text: "60s counts" }),
    checksConflicts: !/^(true|1|yes)$/i.test(environment["DISABLE_NODE_IP_CHECK"] ?? ""),
    problems,
  };
}

// --- internal ---

function parseWish(text: string, version: IpVersion, method: DetectionMethod | undefined): AddressWish {
  if (text === "none") return { kind: "none" };
  if (text === "autodetect") return { kind: "detect", method, keepsWhatIsThere: false };
  const [address = "", length] = text.split("/");
  const ip = parseIp(address);
  if (versionOf(ip) !== version) throw new Error(`it must be an IPv${version} address`);
  if (length === undefined) return { kind: "fixed", ip, prefixLength: undefined };
  const prefixLength = /^[0-9]{1,3}$/.test(length) ? Number(length) : Number.NaN;
  if (!(prefixLength <= (version === 4 ? 32 : 128))) throw new Error("its length is that of no network");
  return { kind: "fixed", ip, prefixLength };
}

function asNumberOf(text: string): number {
  const number = parseAsNumber(text);
  if (number) return number;
  throw new Error("it must be an AS number (1 to 4294967295)");
}
