/** The mesh's password, in the Secret that its sessions take it from. */
import { waitFor } from "../../lab/wait.ts";
import { systemNamespace } from "../../src/api/names.ts";
import { askNodeBgp } from "../../src/cli/node-bgp.ts";
import { birdOf } from "./bgp-settled.ts";
import { apply, type BgpStage } from "./bgp-stage.ts";
import { passwordSecret } from "./bgp-topologies.ts";

/** The Secret says this; undefined: there is none. */
export async function writeSecret({ lab }: BgpStage, password: string | undefined): Promise<void> {
  const { name, key } = passwordSecret;
  const metadata = { name, namespace: systemNamespace };
  if (password === undefined) {
    await lab.kubectl(["delete", "secret", name, `--namespace=${systemNamespace}`]);
  } else {
    await apply(lab, [{ apiVersion: "v1", kind: "Secret", metadata, stringData: { [key]: password } }]);
  }
}

/**
 * Resolves when every node's agent says of each session of the mesh that it is held and why, and BIRD does not run it; gives the
 * reasons.
 */
export async function meshIsHeld(stage: BgpStage): Promise<readonly string[]> {
  const each = stage.lab.layout.nodes.map((node) =>
    waitFor(`that ${node.name} holds its mesh`, { timeoutMs: 60_000, everyMs: 300 }, async () => {
      const { sessions } = await askNodeBgp(stage.client, node.name);
      const mesh = sessions.filter(({ kind }) => kind === "mesh");
      const states = (await birdOf(stage, node)).sessions.filter(({ name }) => name.startsWith("Mesh_"));
      const isDown = states.every(({ state }) => state === "Down");
      if (mesh.length === 0 || mesh.length !== states.length || !isDown) throw new Error(JSON.stringify(states));
      const reasons = mesh.map(({ held }) => held);
      if (reasons.includes(undefined)) throw new Error(JSON.stringify(mesh));
      return reasons as readonly string[];
    }),
  );
  return [...new Set((await Promise.all(each)).flat())];
}
