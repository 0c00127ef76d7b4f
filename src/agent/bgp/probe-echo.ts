import type { SessionProbe } from "../../api/bgp-probe.ts";
import { RawSocket } from "../../host/raw-socket.ts";
import type { Clock } from "../../net/clock.ts";
import { type Ip, versionOf } from "../../net/ip.ts";

/**
 * Whether the neighbour answers an ICMP echo (RFC 792, RFC 4443), asked again now and then: a machine that does is there, whatever
 * becomes of its TCP. One that does not may merely not want to.
 */
export async function probeEcho(
  { source, neighbor, windowMs }: { readonly source: Ip; readonly neighbor: Ip; readonly windowMs: number },
  clock: Clock,
): Promise<SessionProbe["echo"]> {
  const { request, reply } = types[versionOf(neighbor)];
  const id = 1 + Math.floor(Math.random() * 0xfffe);
  let outcome: SessionProbe["echo"] = "silent";
  try {
    using socket = new RawSocket({ protocol: "icmp", source, destination: neighbor });
    const begin = clock.monotonicNow();
    for (let turn = 0; clock.monotonicNow() - begin < windowMs; turn++) {
      try {
        if (turn % turnsBetween === 0) socket.send(encodeEcho(request, id));
        await clock.sleep(turnMs);
        for (let packet = socket.receive(); packet !== undefined; packet = socket.receive()) {
          const { payload } = packet;
          if (payload.length >= 8 && payload.readUInt8(0) === reply && payload.readUInt16BE(4) === id)
            return "answered";
        }
      } catch {
        // Whatever the reason is: the probe of TCP tells it.
        outcome = "unreachable";
        await clock.sleep(turnMs);
      }
    }
  } catch {
    return "unreachable";
  }
  return outcome;
}

// --- internal ---

const turnMs = 20;
const turnsBetween = 20;
const types = { 4: { request: 8, reply: 0 }, 6: { request: 128, reply: 129 } } as const;

/** The kernel puts the checksum into ICMPv6, not into ICMP. */
function encodeEcho(type: number, id: number): Buffer {
  const packet = Buffer.alloc(8);
  packet.writeUInt8(type, 0);
  packet.writeUInt16BE(id, 4);
  const sum = type * 256 + id;
  packet.writeUInt16BE(~((sum & 0xffff) + (sum >>> 16)) & 0xffff, 2);
  return packet;
}
