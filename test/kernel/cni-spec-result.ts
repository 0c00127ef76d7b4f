import { isIPv4, isIPv6 } from "node:net";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";

/** The released versions of the CNI specification, oldest first. */
export const versions = ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] as const;
export type Version = (typeof versions)[number];

/** Whether one version is not older than the other. */
export function isSince(version: Version, first: Version): boolean {
  return versions.indexOf(version) >= versions.indexOf(first);
}

/** Where the interface of an ADD is. */
interface Place {
  readonly netns: string;
  readonly interfaceName: string;
}

/**
 * What of an ADD's output is not as the specification's text of that version has it ("Result", section 5 from 1.0.0), one
 * sentence each. Fields that the version does not know are faults too.
 */
export function resultFaults(version: Version, json: unknown, place: Place): readonly string[] {
  const early = !isSince(version, "0.3.0");
  const read = (early ? earlyResult : isSince(version, "1.0.0") ? laterResult : listResult).safeParse(json);
  if (!read.success) return read.error.issues.map(({ path, message }) => `${path.join(".")}: ${message}`);
  const faults = read.data.cniVersion === version ? [] : [`cniVersion is ${read.data.cniVersion}`];
  return "ips" in read.data ? [...faults, ...listFaults(version, read.data, place)] : faults;
}

/** What of `earlier`, the `prevResult` that a plugin was given, is not in its output, one sentence each. */
export function lossFaults(earlier: unknown, output: unknown): readonly string[] {
  const before = passedOn.parse(earlier);
  const after = passedOn.parse(output);
  const lists = (["interfaces", "ips", "routes"] as const).filter(
    // At their places: addresses name the interface that they are of by its place.
    (name) => !isDeepStrictEqual(after[name].slice(0, before[name].length), before[name]),
  );
  const families = (["ip4", "ip6"] as const).filter((name) => before[name] !== undefined && after[name] === undefined);
  return [...lists, ...families].map((name) => `${name} of prevResult is lost`);
}

// --- internal ---

const mask = (text: string) => Number(text.split("/")[1] ?? Number.NaN);
const ip = (text: string) => text.split("/")[0] ?? "";
const isCidr4 = (text: string) => isIPv4(ip(text)) && mask(text) >= 0 && mask(text) <= 32;
const isCidr6 = (text: string) => isIPv6(ip(text)) && mask(text) >= 0 && mask(text) <= 128;
const cidr4 = z.string().refine(isCidr4, "is no IPv4 address with its mask");
const cidr6 = z.string().refine(isCidr6, "is no IPv6 address with its mask");
const cidr = z.union([cidr4, cidr6]);
const address = z.string().refine((text) => isIPv4(text) || isIPv6(text), "is no address");
const macAddress = z.string().regex(/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i);
const name = z.string().regex(/^[^\s/:]{1,15}$/);
const uint = z.number().int().min(0);

const dns = z.strictObject({
  nameservers: z.array(address).optional(),
  domain: z.string().optional(),
  search: z.array(z.string()).optional(),
  options: z.array(z.string()).optional(),
});

const route = z.strictObject({ dst: cidr, gw: address.optional() });

const earlyOf = (own: typeof cidr4) =>
  z.strictObject({ ip: own, gateway: address.optional(), routes: z.array(route).optional() }).optional();

const earlyResult = z.strictObject({
  cniVersion: z.string(),
  ip4: earlyOf(cidr4),
  ip6: earlyOf(cidr6),
  dns: dns.optional(),
});

const listInterface = z.strictObject({ name, mac: macAddress, sandbox: z.string().optional() });
const addressFields = { address: cidr, gateway: address.optional(), interface: uint };
const listIp = z.strictObject(addressFields);

const listResult = z.strictObject({
  cniVersion: z.string(),
  interfaces: z.array(listInterface).min(1),
  ips: z.array(listIp.extend({ version: z.enum(["4", "6"]) })),
  routes: z.array(route).optional(),
  dns: dns.optional(),
});

/** From 1.0.0; what came with 1.1.0 is looked at apart. */
const laterResult = listResult.extend({
  interfaces: z.array(
    listInterface.extend({ mtu: uint.optional(), socketPath: z.string().optional(), pciID: z.string().optional() }),
  ),
  ips: z.array(listIp),
  routes: z
    .array(
      route.extend({
        mtu: uint.optional(),
        advmss: uint.optional(),
        priority: uint.optional(),
        table: uint.optional(),
        scope: uint.optional(),
      }),
    )
    .optional(),
});

const list = z.array(z.unknown()).default([]);
const early = z.unknown().optional();
// The reference's `loopback` leaves the version of an address empty up to 0.4.0: who passes that on may fill it in.
const ips = z.array(z.object(addressFields)).default([]);
const passedOn = z.object({ interfaces: list, ips, routes: list, ip4: early, ip6: early });

function listFaults(
  version: Version,
  { interfaces, ips, routes = [] }: z.infer<typeof listResult> | z.infer<typeof laterResult>,
  { netns, interfaceName }: Place,
): readonly string[] {
  const full = version === "1.1.0";
  const own = interfaces.findIndex((one) => one.name === interfaceName && one.sandbox === netns);
  const known = full ? [] : ["mtu", "socketPath", "pciID", "advmss", "priority", "table", "scope"];
  const tooNew = [...interfaces, ...routes].flatMap((one) => Object.keys(one).filter((key) => known.includes(key)));
  return [
    ...(own < 0 ? [`interfaces has no ${interfaceName} in ${netns}`] : []),
    ...(ips.some((one) => one.interface === own) ? [] : [`ips has none of ${interfaceName}`]),
    ...ips.filter((one) => one.interface >= interfaces.length).map((one) => `${one.address} is of no interface`),
    ...ips
      .filter((one) => "version" in one && one.version !== (one.address.includes(":") ? "6" : "4"))
      .map((one) => `${one.address} has the wrong version`),
    ...tooNew.map((key) => `${key} came with 1.1.0`),
    ...(full ? interfaces.filter((one) => one.sandbox === netns && !("mtu" in one) && one.name !== "lo") : []).map(
      (one) => `${one.name} has no mtu`,
    ),
  ];
}
