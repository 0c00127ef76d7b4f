import { unusableNetworks } from "../api/unusable-networks.ts";
import { type Cidr, cidrContainsIp, parseCidr } from "../net/cidr.ts";
import { type Ip, type IpVersion, isIp, parseIp, versionOf } from "../net/ip.ts";
import { CniError, cniCode } from "./cni-error.ts";
import { quote } from "./quote.ts";

/** Where a wish about addresses was read, for sentences. */
export interface Origin {
  readonly what: string;
  /** Already quoted. */
  readonly value: string;
}

/** A list of words that says something about a pod's addresses. Each way to read it throws a `CniError` (7). */
export class AddressWish {
  readonly #origin: Origin;
  readonly #words: readonly string[];

  private constructor(origin: Origin, words: readonly string[]) {
    this.#origin = origin;
    this.#words = words;
  }

  static ofList(what: string, words: readonly string[]): AddressWish {
    return new AddressWish({ what, value: quote(words) }, words);
  }

  static ofJson(origin: Origin, text: string): AddressWish {
    const words = parseJson(text);
    if (Array.isArray(words) && words.every((one) => typeof one === "string")) return new AddressWish(origin, words);
    throw new AddressWish(origin, []).refusal('it is not a list of words in JSON, such as ["a"]');
  }

  /** As `addresses`, at least one and at most one of each family: what an interface can have. */
  podAddresses(): readonly Ip[] {
    const ips = this.addresses();
    if (ips.length === 0) throw this.refusal("it names no address");
    for (const version of [4, 6] as const) {
      const count = ips.filter((ip) => versionOf(ip) === version).length;
      if (count > 1)
        throw this.refusal(`it names ${count} IPv${version} addresses, and a pod has one of each family at most`);
    }
    return ips;
  }

  /** Addresses of one machine each; the length of a prefix that comes with one does not count. */
  addresses(): readonly Ip[] {
    return this.#words.map((word) => {
      const text = word.trim();
      const ip = isAddress(text) ? parseIp(text.split("/")[0] ?? "") : undefined;
      if (ip === undefined) throw this.refusal(`${quote(word)} is not an IP address`);
      const range = unusableNetworks.find((cidr) => cidrContainsIp(cidr, ip));
      if (range !== undefined) throw this.refusal(`${ip} cannot be a pod's: it is of ${range}`);
      return ip;
    });
  }

  families(): { readonly v4: boolean; readonly v6: boolean } {
    const stranger = this.#words.find((word) => word !== "IPv4" && word !== "IPv6");
    if (stranger !== undefined) throw this.refusal(`${quote(stranger)} is neither "IPv4" nor "IPv6"`);
    if (this.#words.length === 0) throw this.refusal('it names no family: "IPv4", "IPv6" or both');
    return { v4: this.#words.includes("IPv4"), v6: this.#words.includes("IPv6") };
  }

  /** Names as they are, and networks in canonical form, which must be of the family. */
  pools(version: IpVersion): readonly string[] {
    return this.#words.map((word) => {
      const cidr = word.includes("/") ? readCidr(word) : undefined;
      if (cidr !== undefined && versionOf(cidr) !== version) throw this.refusal(`${cidr} is not IPv${version}`);
      if (cidr === undefined && !isPoolName(word))
        throw this.refusal(`${quote(word)} is neither a pool's name nor a CIDR`);
      return cidr ?? word;
    });
  }

  refusal(why: string): CniError {
    const { what, value } = this.#origin;
    return new CniError(cniCode.invalidConfiguration, `Cannot use ${what}, which is ${value}: ${why}`);
  }
}

// --- internal ---

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Nothing that JSON can be is undefined: the caller refuses it as it does any other value.
    return undefined;
  }
}

function isAddress(text: string): boolean {
  return text.includes("/") ? readCidr(text) !== undefined : isIp(text);
}

function readCidr(text: string): Cidr | undefined {
  try {
    return parseCidr(text);
  } catch {
    return undefined;
  }
}

/** An object's name (RFC 1123 subdomain). */
function isPoolName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(text);
}
