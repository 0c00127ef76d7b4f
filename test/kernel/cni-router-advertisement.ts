import { closeSync, readFileSync, writeSync } from "node:fs";
import { bindSocket, openSocket } from "../../src/host/libc.ts";
import { inNetns } from "../../src/host/netns.ts";

/** Sends every node on the link of `eth0` in `netns` a Router Advertisement (RFC 4861): be my neighbour, route by me. */
export function sendRouterAdvertisement(netns: string): void {
  inNetns(netns, () => {
    const socket = openSocket(packetFamily, rawType, networkOrder(ipv6Type));
    try {
      const index = Number(readFileSync("/proc/self/net/igmp", "utf8").match(/^(\d+)\s+eth0/m)?.[1]);
      bindSocket(socket, linkAddress(index));
      writeSync(socket, frame());
    } finally {
      closeSync(socket);
    }
  });
}

// --- internal ---

const packetFamily = 17;
const rawType = 3;
const ipv6Type = 0x86dd;
const icmpv6 = 58;

/** fe80::bad to ff02::1, the latter with its Ethernet address. */
const source = Buffer.from("fe800000000000000000000000000bad", "hex");
const allNodes = Buffer.from("ff020000000000000000000000000001", "hex");
const ethernet = Buffer.from("333300000001020000000bad86dd", "hex");

function frame(): Buffer {
  // Type 134, router lifetime 1800 s, and the prefix 2001:db8:bad::/64, on link and for autoconfiguration.
  const message = Buffer.from(
    `860000004000070800000000000000000304${"40c0"}00000e1000000e1000000000${"20010db80bad0000"}${"00".repeat(8)}`,
    "hex",
  );
  const pseudo = Buffer.concat([source, allNodes, Buffer.from([0, 0, 0, message.length, 0, 0, 0, icmpv6])]);
  message.writeUInt16BE(checksum(Buffer.concat([pseudo, message])), 2);
  // Hop limit 255: it came from the link itself.
  const header = Buffer.from([0x60, 0, 0, 0, 0, message.length, icmpv6, 255]);
  return Buffer.concat([ethernet, header, source, allNodes, message]);
}

/** RFC 1071. */
function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** A `struct sockaddr_ll`. */
function linkAddress(index: number): Buffer {
  const bytes = Buffer.alloc(20);
  bytes.writeUInt16LE(packetFamily, 0);
  bytes.writeUInt16BE(ipv6Type, 2);
  bytes.writeInt32LE(index, 4);
  return bytes;
}

function networkOrder(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8);
}
