/**
 * What one family's sessions have in common: that of an internal peer without filters. `multihop` and `gateway recursive`: a
 * neighbour, and a next hop it names, may be in another subnet, and resolve over whatever route leads there, the default route
 * too. What stands here BIRD reads once: a text in which every session says it all takes four times as long to read.
 */
export const peersTemplate = `template bgp bgp_template_v{{number version}} {
  local{{#if listenPort}} port {{number listenPort}}{{/if}} as {{number localAs}};
  multihop;
{{#if bindsToNodeIp}}
  strict bind on;
{{/if}}
  graceful restart on;
  connect delay time 2;
  connect retry time 5;
  error wait time 5, 30;
  ipv{{number version}} {
    gateway recursive;
    add paths on;
    import filter {
      calico_import_v{{number version}}();
    };
    export filter {
      calico_prepare_export_v{{number version}}(true);
      calico_export_to_bgp_peers_v{{number version}}(true);
    };
  };
}
`;

/**
 * One session, with what it has not in common with others. A workload may announce only what a filter lets in: it is a pod, and
 * whoever runs it does not run the network.
 */
export const sessionTemplate = `protocol bgp {{symbol name}} from bgp_template_v{{number version}} {
{{#if isHeld}}
  disabled;
{{/if}}
{{#if localAs}}
  local as {{number localAs}};
{{/if}}
  neighbor {{ip neighbor}}{{#if port}} port {{number port}}{{/if}} as {{number neighborAs}};
{{#if source}}
  source address {{ip source}};
{{/if}}
{{#if passive}}
  passive on;
{{/if}}
{{#if ttlSecurityHops}}
  {{#if direct}}direct{{else}}multihop {{number ttlSecurityHops}}{{/if}};
  ttl security on;
{{/if}}
{{#if bfd}}
  bfd on;
{{/if}}
{{#if restartTimeS includeZero=true}}
  graceful restart time {{number restartTimeS}};
{{/if}}
{{#if keepaliveS}}
  keepalive time {{number keepaliveS}};
{{/if}}
{{#if holdS}}
  hold time {{number holdS}};
{{/if}}
{{#if allowedLocalAs}}
  allow local as {{number allowedLocalAs}};
{{/if}}
{{#if hasPassword}}
  password {{password password}};
{{/if}}
{{#if reflectorCluster}}
  rr client;
  rr cluster id {{ip reflectorCluster}};
{{/if}}
{{#if hasOwnChannel}}
  ipv{{number version}} {
{{#if nextHopSelf}}
    next hop self;
{{/if}}
{{#if nextHopKeep}}
    next hop keep;
{{/if}}
{{#if hasOwnImport}}
    import filter {
{{#each importFilters}}
      {{filterName this}}({{flag ../internal}});
{{/each}}
      {{#if workload}}reject{{else}}calico_import_v{{number version}}(){{/if}};
    };
{{/if}}
{{#if hasOwnExport}}
    export filter {
      calico_prepare_export_v{{number version}}({{flag internal}});
{{#each exportFilters}}
      {{filterName this}}({{flag ../internal}});
{{/each}}
      calico_export_to_bgp_peers_v{{number version}}({{flag internal}});
    };
{{/if}}
  };
{{/if}}
}
`;
