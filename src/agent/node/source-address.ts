import { createSocket } from "node:dgram";
import { lookup } from "node:dns/promises";
import { type Ip, type IpVersion, parseIp } from "../../net/ip.ts";

/** The address that the kernel would send from to a destination (an address or a name); undefined when it leads nowhere. */
export async function sourceTo(destination: string, version: IpVersion): Promise<Ip | undefined> {
  const socket = createSocket(version === 4 ? "udp4" : "udp6");
  try {
    const { address } = await lookup(destination, { family: version });
    const connected = Promise.withResolvers<void>();
    socket.once("error", connected.reject);
    // Nothing is sent: the kernel only looks for the route.
    socket.connect(53, address, connected.resolve);
    await connected.promise;
    const source = parseIp(socket.address().address);
    // Where no route leads, Node.js tells of no error, and the socket has no address.
    return source === "0.0.0.0" || source === "::" ? undefined : source;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== undefined) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}
