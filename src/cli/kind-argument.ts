import type { Command } from "commander";
import { type Kind, kindCalled, kinds } from "../api/kinds.ts";

/** The kind that the user calls `name`; one that there is not ends the command as a wrong use of it. */
export function kindArgument(command: Command, name: string): Kind {
  return kindCalled(name) ?? usageError(command, `there is no kind ${JSON.stringify(name)}; there are ${kindNames()}`);
}

/** Ends the command with exit code 2: it was not called as it must be. */
export function usageError(command: Command, message: string): never {
  return command.error(`error: ${message}`, { exitCode: 2 });
}

/** How an object is named in messages: `ippool/default`, or `networkpolicy/shop/web`. */
export function objectLabel(kind: Kind, namespace: string | undefined, name: string): string {
  return kind.namespaced ? `${kind.singular}/${namespace}/${name}` : `${kind.singular}/${name}`;
}

// --- internal ---

function kindNames(): string {
  return kinds.map(({ plural }) => plural).join(", ");
}
