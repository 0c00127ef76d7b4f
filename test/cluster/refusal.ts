import { expect } from "vitest";
import type { ControlPlane } from "../../lab/control-plane.ts";

/** What kubectl said when it refused; fails the test when it did not refuse. */
export async function refusal(plane: ControlPlane, argv: readonly string[], stdin: string): Promise<string> {
  const said = await plane.kubectl(argv, stdin).then(
    () => undefined,
    (error: unknown) => String(error),
  );
  expect(said, "the API server took it").toBeDefined();
  return said ?? "";
}
