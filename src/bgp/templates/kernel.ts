/**
 * One family's exchange with the kernel's main table. Foreign routes are learned: the default route, which next hops resolve
 * over, and pods' routes. Only what BIRD itself knows by BGP, and this node's blackholes, is written. `persist` and
 * `graceful restart` keep the kernel's routes while BIRD is away.
 */
export const kernelTemplate = `filter calico_kernel_programming_v{{number version}} {
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
    import all;
    export filter calico_kernel_programming_v{{number version}};
  };
}
`;
