import { join } from "node:path";
import { birdSocketPath } from "../bgp/bird/bird-socket-path.ts";
import type { CniPaths } from "../cni/dependencies.ts";

/** Where the agent meets its neighbours on the node: what its DaemonSet mounts. */
export interface AgentPaths {
  readonly cniSocket: string;
  readonly birdSocket: string;
  readonly birdConfig: string;
  /** Holds the folder `cni` with what is wired here. */
  readonly state: string;
  /** The node's name, for other programs of the node. */
  readonly nodenameFile: string;
  readonly mtuFile: string;
}

export const defaultPaths: AgentPaths = {
  cniSocket: "/run/margay/cni.sock",
  birdSocket: birdSocketPath,
  birdConfig: "/run/margay/bird/bird.conf",
  state: "/var/lib/margay",
  nodenameFile: "/var/lib/calico/nodename",
  mtuFile: "/var/lib/calico/mtu",
};

export function cniPaths({ state, mtuFile }: AgentPaths): CniPaths {
  return {
    spool: join(state, "cni/spool"),
    journal: join(state, "cni/journal"),
    intents: join(state, "cni/intents"),
    bootId: join(state, "cni/boot-id"),
    holds: join(state, "cni/holds"),
    netConf: "/etc/cni/net.d",
    mtuFile,
  };
}

/** The folder of all that the CNI keeps: whoever has its lock gives addresses of the node's reserve. */
export function cniFolder({ state }: AgentPaths): string {
  return join(state, "cni");
}

/** The folder of the attachment files. */
export function attachmentsFolder({ state }: AgentPaths): string {
  return join(state, "cni/attachments");
}

/** The folder of what BGP keeps: its history, and by which values BIRD works. */
export function bgpFolder({ state }: AgentPaths): string {
  return join(state, "bgp");
}

/** The folder of the lease files. */
export function leasesFolder({ state }: AgentPaths): string {
  return join(state, "cni/leases");
}
