import { parseCidr } from "../net/cidr.ts";

/** "This" network, loopback, link-local and multicast addresses (RFC 6890, RFC 5771, RFC 4291): no pod can be reached by one. */
export const unusableNetworks = [
  ...["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/4"],
  ...["::/127", "fe80::/10", "ff00::/8"],
].map(parseCidr);
