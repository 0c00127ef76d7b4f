/** Routes, BGP sessions and addresses in use, as the lab's own programs tell them. */
import { join } from "node:path";
import type { Lab } from "./cluster.ts";
import { inNamespace } from "./fabric.ts";
import { routerAs } from "./layout.ts";
import { inNode } from "./node.ts";
import { run } from "./run.ts";

const margay = [process.execPath, join(import.meta.dirname, "..", "src", "cli", "main.ts")] as const;

/** All of it as text. What a program refuses to tell stands there as its message. */
export async function showNetwork(lab: Lab): Promise<string> {
  const { layout } = lab;
  const nodes = await Promise.all(
    layout.nodes.map(async (node) => {
      const [routes, sessions] = await Promise.all([
        told(inNode(layout, node, ["ip", "route"])),
        told(inNode(layout, node, [...margay, "node", "status"])),
      ]);
      return `--- ${node.name} (rack ${node.rack}, ${node.address})\n${routes}\n${sessions}`;
    }),
  );
  const router = await told(inNamespace(layout.router, ["ip", "route"]));
  const addresses = await told(run([...margay, "ipam", "show"], { env: { KUBECONFIG: lab.kubeconfig } }));
  return `\nRoutes and BGP sessions:\n\n${nodes.join("\n")}\n--- router (AS ${routerAs})\n${router}\nAddresses in use:\n\n${addresses}`;
}

// --- internal ---

function told(telling: Promise<string>): Promise<string> {
  return telling.catch((error: Error) => `${error.message}\n`);
}
