import type { Command } from "commander";
import { addIpamApprove } from "./ipam-approve.ts";
import { addIpamCheck } from "./ipam-check.ts";
import { addIpamConfigure } from "./ipam-configure.ts";
import { addIpamRelease } from "./ipam-release.ts";
import { addIpamShow } from "./ipam-show.ts";
import { addIpamSplit } from "./ipam-split.ts";

/** Adds every `ipam` command. */
export function addIpam(program: Command): void {
  for (const add of [addIpamShow, addIpamCheck, addIpamRelease, addIpamSplit, addIpamConfigure, addIpamApprove])
    add(program);
}
