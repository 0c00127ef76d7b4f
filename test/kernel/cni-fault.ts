import type { CniDependencies } from "../../src/cni/dependencies.ts";
import { type Netlink, NetlinkError } from "../../src/host/netlink/netlink.ts";
import type { CniNode } from "./cni-node.ts";

/** The real socket with one call that fails. */
export function withNetlinkFault(node: CniNode, method: keyof Netlink, inPod: boolean): Partial<CniDependencies> {
  return {
    openNetlink: (netns) => {
      const real = node.dependencies.openNetlink(netns);
      if ((netns !== undefined) !== inPod) return real;
      const fail = async () => {
        throw new NetlinkError(`do ${method}`, "EIO");
      };
      return new Proxy(real, {
        get: (target, key) => {
          if (key === method) return fail;
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? value.bind(target) : value;
        },
      });
    },
  };
}

/** The kernel refuses every setting whose key holds `part`. */
export function withSysctlFault(node: CniNode, part: string): Partial<CniDependencies> {
  return {
    writeSysctl: (netns, key, value) => {
      if (key.includes(part)) throw new Error(`Cannot set sysctl net/${key}`);
      node.dependencies.writeSysctl(netns, key, value);
    },
  };
}
