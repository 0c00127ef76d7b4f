/** BIRD alone: the configuration that somebody writes by hand who wants nothing but pods' blocks announced in a mesh. Pure. */

/** One node's. */
export interface PlainBird {
  readonly address: string;
  /** Its neighbours; each `waits` for the other to connect, or does not. */
  readonly neighbors: readonly { readonly address: string; readonly waits: boolean }[];
  readonly blocks: readonly string[];
  /** A file with more blocks, as `plainBlocks` writes it. */
  readonly include?: string;
}

/** The times are those of our own configuration, so that what is compared is work, and not waiting. */
export function plainBird({ address, neighbors, blocks, include }: PlainBird): string {
  const sessions = neighbors.map(
    (neighbor, index) =>
      `protocol bgp peer${index + 1} from peers { neighbor ${neighbor.address} as 64512;${neighbor.waits ? " passive on;" : ""} }\n`,
  );
  return `log "/dev/null" all;
router id ${address};
graceful restart wait 20;
protocol device { scan time 2; }
protocol kernel {
  learn;
  persist;
  scan time 2;
  ipv4 { import all; export where source ~ [ RTS_BGP, RTS_STATIC ]; };
}
${plainBlocks("own", blocks)}${include === undefined ? "" : `include "${include}";\n`}
template bgp peers {
  local ${address} as 64512;
  multihop;
  graceful restart on;
  connect delay time 2;
  connect retry time 5;
  error wait time 5, 30;
  ipv4 { gateway recursive; import all; export where source != RTS_BGP && dest = RTD_BLACKHOLE; };
}
${sessions.join("")}`;
}

/** Blocks that are announced, and blackholed here. */
export function plainBlocks(name: string, blocks: readonly string[]): string {
  return `protocol static ${name} {\n  ipv4;\n${blocks.map((block) => `  route ${block} blackhole;\n`).join("")}}\n`;
}
