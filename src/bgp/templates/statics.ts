/** This node's own blocks: announced from here, and blackholed where no pod's route is more specific. */
export const staticsTemplate = `protocol static static_v{{number version}} {
  ipv{{number version}};
{{#each blackholes}}
  route {{cidr this}} blackhole;
{{/each}}
}
`;
