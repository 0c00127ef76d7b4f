/**
 * One family's exchange with the kernel's main table. Foreign routes are learned: the default route, which next hops resolve
 * over, and pods' routes, which only a route of raised priority overrides. Only what BIRD itself knows by BGP, and this node's
 * blackholes and gateways, is written; of Services' addresses nothing. Protocol 233 is that of the copies that BIRD's supervisor
 * keeps of its routes while it restarts (lab/bird.sh): they are nobody's to learn. `persist` and `graceful restart` keep the kernel's
 * routes while BIRD is away.
 */
export const kernelTemplate = `filter calico_kernel_learning_v{{number version}} {
  if krt_source = 233 then reject;
  if ifname ~ {{quoted podInterfaces}} then preference = 150;
  accept;
}

filter calico_kernel_programming_v{{number version}} {
{{#if exports.services}}
  if proto = "static_services_v{{number version}}" then reject;
{{/if}}
{{#each serviceRanges}}
  if source = RTS_BGP && net ~ [ {{cidr this}}+ ] then reject;
{{/each}}
  if source ~ [ RTS_BGP, RTS_STATIC ] then accept;
  reject;
}

protocol kernel kernel_v{{number version}} {
  learn;
  persist;
  scan time 2;
  merge paths on;
  graceful restart on;
  ipv{{number version}} {
    import filter calico_kernel_learning_v{{number version}};
    export filter calico_kernel_programming_v{{number version}};
  };
}
`;
