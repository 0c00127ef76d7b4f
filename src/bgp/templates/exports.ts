/**
 * What a session announces. A route's priority, its metric in the kernel, travels as local preference, upside down, as
 * upstream. A metric of 0 is none: nobody gave it. An own prefix is never taken from BGP: only this node speaks
 * for it; of what is inside an own block, only routes of raised priority go out by themselves.
 * A route passed on to an external peer carries a metric (MED), so that the peer prefers the owner's own announcement:
 * without it, a router may send one node's packets to another node that sends them straight back.
 * A node that goes away says so of its own routes and, where packets would come by it, of those that it passes on; not of what it
 * reflects, whose packets go to the owner.
 */
export const exportsTemplate = `function calico_prepare_export_v{{number version}}(bool internal_peer) {
  if source != RTS_BGP then {
    bgp_local_pref = {{localPref normalRoutePriority}};
    if defined(krt_metric) && krt_metric > 0 && krt_metric < 2147483647 then {
      bgp_local_pref = 2147483647 - krt_metric;
    }
  }
{{#if exports.isDraining}}
  if source != RTS_BGP || !internal_peer then bgp_community.add((65535, 0));
{{/if}}
}

function calico_export_elevated_v{{number version}}(bool internal_peer) {
  if !defined(bgp_local_pref) || bgp_local_pref <= {{localPref normalRoutePriority}} then reject;
  if source = RTS_BGP && !internal_peer then bgp_med = 100;
  accept;
}

function calico_export_to_bgp_peers_v{{number version}}(bool internal_peer) {
{{#each exports.hidden}}
  if net ~ [ {{cidr this}}+ ] then reject;
{{/each}}
{{#each exports.communities}}
  if net ~ [ {{cidr this.cidr}}+ ] then {
{{#each communities}}
    {{addCommunity this}}
{{/each}}
  }
{{/each}}
{{#each exports.hosts}}
  if net = {{cidr this}} then { if source = RTS_BGP then reject; accept; }
{{/each}}
{{#each exports.blocks}}
  if net = {{cidr this}} then { if source = RTS_BGP then reject; accept; }
  if net ~ [ {{cidr this}}+ ] then calico_export_elevated_v{{number ../version}}(internal_peer);
{{/each}}
{{#each exports.services}}
  if net = {{cidr this}} && source != RTS_BGP then accept;
{{/each}}
{{#each exports.pools}}
  if source = RTS_BGP && net ~ [ {{cidr this}}+ ] then { if !internal_peer then bgp_med = 100; accept; }
{{/each}}
  reject;
}
`;
