/** A router that nodes peer with. */
export interface TorOptions {
  /** Dotted decimal. */
  readonly routerId: string;
  readonly as: number;
  readonly neighbours: readonly TorNeighbour[];
}

interface TorNeighbour {
  /** On a network of one of the router's own interfaces. */
  readonly address: string;
  readonly as: number;
}

/**
 * The BIRD 2 configuration of a top-of-rack router: it waits for the nodes to connect, writes what they announce to its
 * kernel's main table, and announces nothing. Values are the lab's own and are printed as they are.
 */
export function torConfig({ routerId, as, neighbours }: TorOptions): string {
  return [preamble(routerId), ...neighbours.map((neighbour, index) => session(as, neighbour, index + 1))].join("\n");
}

// --- internal ---

function preamble(routerId: string): string {
  return `log stderr all;
timeformat protocol iso long;
router id ${routerId};

protocol device {
  scan time 2;
}
protocol direct {
  ipv4;
}
protocol kernel {
  ipv4 {
    import none;
    export where source = RTS_BGP;
  };
}
`;
}

function session(as: number, neighbour: TorNeighbour, index: number): string {
  return `protocol bgp node_${index} {
  local as ${as};
  neighbor ${neighbour.address} as ${neighbour.as};
  multihop;
  passive on;
  graceful restart on;
  ipv4 {
    add paths on;
    import all;
    export none;
  };
}
`;
}
