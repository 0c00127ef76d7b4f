import { InvalidArgumentError } from "commander";

/** A TCP port from a command line. */
export function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port >= 1 && port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 1 to 65535.");
}

/** The same, or 0 for none. */
export function portOrNoneOf(text: string): number {
  return text === "0" ? 0 : portOf(text);
}
