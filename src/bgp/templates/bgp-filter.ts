/**
 * One direction and family of a BGPFilter, as a function that a session calls: a rule that matches ends the session's
 * filter; when none does, it falls through to the next. A route's priority is its local preference upside down.
 */
export const bgpFilterTemplate = `function {{filterName name}}(bool internal_peer) {
{{#each rules}}
  if true
    {{~#if this.net}} && net {{netMatch this.net}}{{/if~}}
    {{#if fromRemotePeers}} && source = RTS_BGP{{/if~}}
    {{#if interface}} && ifname ~ {{quoted interface}}{{/if~}}
    {{#if internalOnly}} && internal_peer{{/if~}}
    {{#if externalOnly}} && !internal_peer{{/if~}}
    {{#if communities}} && (false{{#each communities}} || {{hasCommunity this}}{{/each}}){{/if~}}
    {{#if asPathPrefix}} && bgp_path ~ [= {{#each asPathPrefix}}{{number this}} {{/each}}* =]{{/if~}}
    {{#if priority}} && defined(bgp_local_pref) && bgp_local_pref = {{localPref priority}}{{/if}} then {
{{#each operations}}
{{#if community}}
    {{addCommunity community}}
{{/if}}
{{#each prepended}}
    bgp_path.prepend({{number this}});
{{/each}}
{{#if priority}}
    bgp_local_pref = {{localPref priority}};
{{/if}}
{{/each}}
    {{#if rejects}}reject{{else}}{{#if ../imports}}calico_import_v{{number ../version}}(){{else}}accept{{/if}}{{/if}};
  }
{{/each}}
}
`;
