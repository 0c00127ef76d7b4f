import type { BirdConfig } from "../../../src/bgp/plan/bird-config.ts";
import { BirdPrinter } from "../../../src/bgp/templates/bird-printer.ts";

/** One configuration by itself, as BIRD reads it. */
export function renderBird(config: BirdConfig): string {
  return new BirdPrinter().print(config);
}
