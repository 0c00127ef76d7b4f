import { z } from "zod";
import { parseCidr } from "../net/cidr.ts";
import { type Ip, type IpVersion, isIp, parseIp, versionOf } from "../net/ip.ts";
import { CniError, cniCode } from "./cni-error.ts";
import type { CniVersion } from "./net-conf.ts";

/** A success answer of ADD (CNI specification section 5), whatever the version that it came in or goes out in. */
export interface CniResult {
  readonly interfaces: readonly ResultInterface[];
  readonly ips: readonly ResultIp[];
  readonly routes: readonly ResultRoute[];
  readonly dns: ResultDns;
}

/** `mtu`, `socketPath` and `pciID` came with 1.1.0. */
export type ResultInterface = Readonly<z.output<typeof interfaceSchema>>;
/** `interface` is a place in the list of interfaces. */
export type ResultIp = Readonly<z.output<typeof ipSchema>>;
/** All but `dst` and `gw` came with 1.1.0. */
export type ResultRoute = Readonly<z.output<typeof routeSchema>>;
/** An empty field is one that says nothing. */
export type ResultDns = Readonly<z.output<typeof dnsSchema>>;

/**
 * Reads a result in the form of any version. `what` begins the sentence of the `CniError` (7) that is thrown for what is none,
 * e.g. `prevResult`.
 */
export function parseCniResult(json: unknown, what: string): CniResult {
  const read = schema.safeParse(json);
  if (!read.success) {
    const faults = read.error.issues.map(({ path, message }) => `${path.join(".") || "it"}: ${message}`).join("; ");
    throw new CniError(cniCode.invalidConfiguration, `Cannot use ${what}: ${faults}`);
  }
  const { interfaces, ips, routes, dns, ip4, ip6 } = read.data;
  const early = [ip4, ip6].flatMap((one) => (one === undefined ? [] : [one]));
  return {
    interfaces,
    ips: [...ips, ...early.map(({ ip, gateway }) => ({ address: ip, ...present({ gateway }) }))],
    routes: [...routes, ...early.flatMap((one) => one.routes)],
    dns,
  };
}

/** The address without its mask. */
export function resultAddress({ address }: ResultIp): Ip {
  return parseIp(address.split("/")[0] ?? "");
}

/**
 * A result as JSON text, in the type of `version`: `ip4`/`ip6` up to 0.2.0, of which each holds one address, lists with a
 * `version` in each address up to 0.4.0, without it from 1.0.0, with everything from 1.1.0.
 */
export function formatCniResult(result: CniResult, version: CniVersion): string {
  const shape = version === "0.1.0" || version === "0.2.0" ? earlyShape(result) : listShape(result, version);
  return JSON.stringify({ cniVersion: version, ...shape, dns: dnsShape(result.dns) });
}

/** The fields that are there. */
export function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}

// --- the fields ---

/** Programs in Go write what is not there as null. */
const text = z
  .string()
  .nullish()
  .transform((value) => value || undefined);
const number = z
  .number()
  .nullish()
  .transform((value) => value ?? undefined);
const list = <T extends z.ZodType>(one: T) =>
  z
    .array(one)
    .nullish()
    .transform((value) => value ?? []);

const address = z.string().refine(isWithMask, "must be an address with its mask, such as 10.0.0.1/24");
const gateway = text.refine((value) => value === undefined || isIp(value), "must be an address");

const interfaceSchema = z.object({
  name: z.string(),
  mac: text,
  mtu: number,
  sandbox: text,
  socketPath: text,
  pciID: text,
});

const ipSchema = z
  .object({ address, gateway, interface: number })
  .transform(({ address, ...rest }) => ({ address, ...present(rest) }));

const routeSchema = z
  .object({
    dst: z.string().refine(isCidr, "must be a network, such as 10.0.0.0/8"),
    gw: gateway,
    mtu: number,
    advmss: number,
    priority: number,
    table: number,
    scope: number,
  })
  .transform(({ dst, ...rest }) => ({ dst, ...present(rest) }));

const dnsSchema = z.object({
  nameservers: list(z.string()),
  domain: text,
  search: list(z.string()),
  options: list(z.string()),
});

const earlySchema = z
  .object({ ip: address, gateway, routes: list(routeSchema) })
  .nullish()
  .transform((value) => value ?? undefined);

const schema = z.object({
  interfaces: list(interfaceSchema),
  ips: list(ipSchema),
  routes: list(routeSchema),
  dns: dnsSchema.nullish().transform((value) => value ?? noDns),
  ip4: earlySchema,
  ip6: earlySchema,
});

/** What a network configuration, or a file of this node, holds of a result. */
export const resultDnsSchema = dnsSchema;
export const resultIpSchema = ipSchema;
export const resultRouteSchema = routeSchema;

/** Nothing is said of name resolution. */
export const noDns: ResultDns = { nameservers: [], domain: undefined, search: [], options: [] };

// --- internal ---

function isWithMask(value: string): boolean {
  return value.includes("/") && isCidr(value);
}

function isCidr(value: string): boolean {
  try {
    parseCidr(value);
    return true;
  } catch {
    return false;
  }
}

/** Only one address of each family fits: the first, which is the pod's primary one. */
function earlyShape({ ips, routes }: CniResult): object {
  const of = (family: IpVersion) => {
    const first = ips.find((one) => versionOf(resultAddress(one)) === family);
    if (first === undefined) return {};
    const own = routes
      .filter(({ dst }) => versionOf(dst) === family)
      .map(({ dst, gw }) => ({ dst, ...present({ gw }) }));
    const { address: ip, gateway } = first;
    return { [`ip${family}`]: { ip, ...present({ gateway }), ...(own.length === 0 ? {} : { routes: own }) } };
  };
  return { ...of(4), ...of(6) };
}

function listShape({ interfaces, ips, routes }: CniResult, version: CniVersion): object {
  const full = version === "1.1.0";
  const named = version !== "1.0.0" && !full;
  return {
    ...(interfaces.length === 0 ? {} : { interfaces: interfaces.map((one) => interfaceShape(one, full)) }),
    ips: ips.map((one) => ({
      ...(named ? { version: String(versionOf(resultAddress(one))) } : {}),
      ...present({ interface: one.interface }),
      address: one.address,
      ...present({ gateway: one.gateway }),
    })),
    ...(routes.length === 0
      ? {}
      : { routes: routes.map((one) => (full ? one : { dst: one.dst, ...present({ gw: one.gw }) })) }),
  };
}

function interfaceShape({ name, mac, sandbox, ...later }: ResultInterface, full: boolean): object {
  return { name, ...present({ mac, sandbox }), ...(full ? present(later) : {}) };
}

function dnsShape({ nameservers, domain, search, options }: ResultDns): object {
  const lists = Object.entries({ nameservers, search, options }).filter(([, value]) => value.length > 0);
  return { ...present({ domain }), ...Object.fromEntries(lists) };
}
