import { execFileSync } from "node:child_process";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";
import { openTrafficControl } from "../../src/host/netlink/traffic-netlink.ts";
import { trafficControlContract } from "../contract/traffic-control.ts";
import { makeNamespace } from "./netlink-namespaces.ts";

trafficControlContract(() => {
  const namespace = makeNamespace();
  const [netlink, control] = [openNetlink(namespace.path), openTrafficControl(namespace.path)];
  return {
    side: { ...namespace, netlink },
    control,
    tc: (...args) => execFileSync("tc", ["-n", namespace.name, ...args], { encoding: "utf8" }),
    [Symbol.dispose]: () => {
      for (const one of [netlink, control]) one.close();
      namespace[Symbol.dispose]();
    },
  };
});
