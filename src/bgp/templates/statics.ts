/**
 * This node's own blocks, announced from here and blackholed where no pod's route is more specific; the gateways to
 * neighbours; and Services' addresses, which are announced and nothing else, so they are told apart by their protocol.
 */
export const staticsTemplate = `protocol static static_v{{number version}} {
  ipv{{number version}};
{{#each blackholes}}
  route {{cidr this}} blackhole;
{{/each}}
{{#each gateways}}
  route {{cidr destination}} via {{ip via}};
{{/each}}
}
{{#if exports.services}}

protocol static static_services_v{{number version}} {
  ipv{{number version}};
{{#each exports.services}}
  route {{cidr this}} blackhole;
{{/each}}
}
{{/if}}
`;
