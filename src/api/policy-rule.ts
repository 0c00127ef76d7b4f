/** The rules of every `projectcalico.org/v3` policy, checked and with numbers for names. */
import type { Cidr } from "../net/cidr.ts";
import type { IpVersion } from "../net/ip.ts";
import type { Labels } from "./objects.ts";

/** One rule. A field that is absent, and a list or selector that is empty, holds for everything. */
export interface PolicyRule {
  readonly action: "Allow" | "Deny" | "Log" | "Pass";
  readonly ipVersion?: IpVersion | undefined;
  /** IANA protocol number. */
  readonly protocol?: number | undefined;
  readonly notProtocol?: number | undefined;
  readonly icmp?: RuleIcmp | undefined;
  readonly notICMP?: RuleIcmp | undefined;
  readonly source: RuleEntity;
  readonly destination: RuleEntity;
  readonly http?: RuleHttp | undefined;
  readonly metadata?: { readonly annotations: Labels } | undefined;
}

/** Without a type: every packet of the protocol. */
export interface RuleIcmp {
  readonly type?: number | undefined;
  readonly code?: number | undefined;
}

/** One end of what a rule matches. Selectors are checked texts. */
export interface RuleEntity {
  readonly nets: readonly Cidr[];
  readonly notNets: readonly Cidr[];
  readonly selector: string;
  readonly notSelector: string;
  readonly namespaceSelector: string;
  readonly ports: readonly RulePort[];
  readonly notPorts: readonly RulePort[];
  readonly serviceAccounts?: { readonly names: readonly string[]; readonly selector: string } | undefined;
  readonly services?: { readonly name: string; readonly namespace: string } | undefined;
}

/** A port, a range of them with both ends, or the name of a port. */
export type RulePort = { readonly first: number; readonly last: number } | { readonly name: string };

/** Only requests with one of the methods and one of the paths; an empty list holds for all. */
interface RuleHttp {
  readonly methods: readonly string[];
  readonly paths: readonly ({ readonly exact: string } | { readonly prefix: string })[];
}

/** What all `projectcalico.org/v3` policies have in common. */
export interface PolicySpec {
  readonly tier: string;
  /** Undefined: after all that have one. */
  readonly order?: number | undefined;
  readonly selector: string;
  readonly serviceAccountSelector: string;
  /** Filled in from the rules where the object has none. */
  readonly types: readonly ("Ingress" | "Egress")[];
  readonly ingress: readonly PolicyRule[];
  readonly egress: readonly PolicyRule[];
}

/** What those of no namespace have besides. */
export interface GlobalPolicySpec extends PolicySpec {
  readonly namespaceSelector: string;
  readonly doNotTrack: boolean;
  readonly preDNAT: boolean;
  readonly applyOnForward: boolean;
}

/** What is to become of the policy that a staged one stands for. */
export type StagedAction = "Set" | "Delete" | "Learn" | "Ignore";
