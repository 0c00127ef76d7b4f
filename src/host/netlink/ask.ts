import type { Refusal } from "./message.ts";
import { NetlinkError } from "./netlink.ts";
import type { NetlinkSocket, Request } from "./socket.ts";

/** Sends one request. A refusal with one of the codes `harmless` is no error; any other throws a `NetlinkError`. */
export function command(
  socket: NetlinkSocket,
  action: string,
  request: Request,
  harmless: readonly string[] = [],
): void {
  const [answer] = socket.transact([request]);
  if (answer?.refusal === undefined || harmless.includes(answer.refusal.code)) return;
  throw refused(action, answer.refusal);
}

/** A whole table, as `NetlinkSocket.dump`; a refusal throws a `NetlinkError`. */
export function list<T>(
  socket: NetlinkSocket,
  action: string,
  request: Request,
  decode: (payload: Buffer) => T | undefined,
): readonly T[] {
  const found = socket.dump(request, decode);
  if ("code" in found) throw refused(action, found);
  return found;
}

/** The error that tells of a refusal. */
export function refused(action: string, { code, detail }: Refusal): NetlinkError {
  return new NetlinkError(action, code, detail);
}
