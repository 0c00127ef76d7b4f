/**
 * What a session announces. An own prefix is never taken from BGP: only this node speaks for it.
 * A route passed on to an external peer carries a metric (MED), so that the peer prefers the owner's own announcement:
 * without it, a router may send one node's packets to another node that sends them straight back.
 */
export const filtersTemplate = `function calico_export_to_bgp_peers_v{{number version}}(bool internal_peer) {
{{#each exports.hidden}}
  if net ~ [ {{cidr this}}+ ] then reject;
{{/each}}
{{#each exports.blocks}}
  if net = {{cidr this}} then { if source = RTS_BGP then reject; accept; }
  if net ~ [ {{cidr this}}+ ] then reject;
{{/each}}
{{#each exports.hosts}}
  if net = {{cidr this}} then { if source = RTS_BGP then reject; accept; }
{{/each}}
{{#each exports.pools}}
  if source = RTS_BGP && net ~ [ {{cidr this}}+ ] then { if !internal_peer then bgp_med = 100; accept; }
{{/each}}
  reject;
}
`;
