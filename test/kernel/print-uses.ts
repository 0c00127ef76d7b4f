/** Prints what `findAddressUses` answers, as JSON: the one argument is `{ ips?, attachments?, leases? }`. */
import { findAddressUses } from "../../src/agent/query-addresses.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";

const { ips, attachments = [], leases = [] } = JSON.parse(process.argv[2] ?? "{}");
const sources = {
  attachments: { list: async () => attachments },
  leases: { list: async () => leases },
  openNetlink,
  interfacePrefix: "cali",
};
try {
  process.stdout.write(JSON.stringify({ uses: await findAddressUses(sources, ips) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: (error as Error).message }));
}
