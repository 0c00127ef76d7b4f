/** FelixConfiguration: tunnels and encryption between nodes, which are not here. */
import { count, flag, oneOf, period, text, texts, unused } from "./felix-configuration-fields.ts";

const tunnels = "there are no tunnels between nodes";
const wireGuard = "there is no WireGuard";
const port = { min: 1, max: 65_535 };

/** By name, as upstream has them. */
export const overlayFields = {
  vxlanEnabled: flag(unused("Whether there is a VXLAN device.", tunnels)),
  vxlanMTU: count(unused("The MTU of the VXLAN device for IPv4.", tunnels)),
  vxlanMTUV6: count(unused("The MTU of the VXLAN device for IPv6.", tunnels)),
  vxlanVNI: count(unused("The VXLAN network identifier.", tunnels)),
  ipipEnabled: flag(unused("Whether there is an IP-in-IP device.", tunnels)),
  ipipMTU: count(unused("The MTU of the IP-in-IP device.", tunnels)),
  externalNodesList: texts(unused("Networks of further nodes that may send through tunnels.", tunnels)),
  wireguardEnabled: flag(unused("Whether IPv4 between nodes is encrypted.", wireGuard)),
  wireguardEnabledV6: flag(unused("Whether IPv6 between nodes is encrypted.", wireGuard)),
  wireguardHostEncryptionEnabled: flag(unused("Whether what nodes send themselves is encrypted too.", wireGuard)),
  wireguardThreadingEnabled: flag(unused("Whether its interfaces have threads of their own.", wireGuard)),
  wireguardListeningPort: count(unused("Its UDP port for IPv4.", wireGuard), port),
  wireguardListeningPortV6: count(unused("Its UDP port for IPv6.", wireGuard), port),
  wireguardRoutingRulePriority: count(unused("The priority of its routing rule.", wireGuard), { min: 1, max: 32_765 }),
  wireguardInterfaceName: text(unused("The name of its interface for IPv4.", wireGuard)),
  wireguardInterfaceNameV6: text(unused("The name of its interface for IPv6.", wireGuard)),
  wireguardMTU: count(unused("The MTU of its interface for IPv4.", wireGuard)),
  wireguardMTUV6: count(unused("The MTU of its interface for IPv6.", wireGuard)),
  wireguardKeepAlive: period(unused("How often its peers are kept alive.", wireGuard)),
  awsSrcDstCheck: oneOf(
    ["DoNothing", "Enable", "Disable"],
    unused("What becomes of the source check of an EC2 instance.", "it is left as it is"),
  ),
};
