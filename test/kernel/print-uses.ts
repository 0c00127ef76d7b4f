/**
 * Prints what `findAddressUses` answers, as JSON: the one argument is `{ ips?, attachments?, leases? }`, with
 * `attachmentsFolder` or `leasesFolder` for files to be read.
 */
import { findAddressUses } from "../../src/agent/query-addresses.ts";
import { AttachmentFiles } from "../../src/cni/attachments.ts";
import { LeaseFiles } from "../../src/cni/leases.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";
import { openNetlink } from "../../src/host/netlink/route-netlink.ts";

const asked = JSON.parse(process.argv[2] ?? "{}");
const { ips, attachments = [], leases = [], attachmentsFolder, leasesFolder } = asked;
const [host, report] = [new LinuxHost(), () => undefined];
const sources = {
  attachments: attachmentsFolder
    ? new AttachmentFiles(host, attachmentsFolder, report)
    : { listWhole: async () => attachments },
  leases: leasesFolder ? new LeaseFiles(host, leasesFolder, report) : { listWhole: async () => leases },
  openNetlink,
  interfacePrefix: "cali",
};
try {
  process.stdout.write(JSON.stringify({ uses: await findAddressUses(sources, ips) }));
} catch (error) {
  process.stdout.write(JSON.stringify({ error: (error as Error).message }));
}
