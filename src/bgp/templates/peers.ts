/**
 * One family's sessions. `multihop` and `gateway recursive`: a neighbour, and a next hop it names, may be in another
 * subnet, and resolve over whatever route leads there, the default route too.
 */
export const peersTemplate = `template bgp bgp_template_v{{number version}} {
  local as {{number localAs}};
  multihop;
  graceful restart on;
  connect delay time 2;
  connect retry time 5;
  error wait time 5, 30;
}
{{#each sessions}}

protocol bgp {{symbol name}} from bgp_template_v{{number ../version}} {
  neighbor {{ip neighbor}}{{#if port}} port {{number port}}{{/if}} as {{number neighborAs}};
{{#if source}}
  source address {{ip source}};
{{/if}}
{{#if passive}}
  passive on;
{{/if}}
  ipv{{number ../version}} {
    gateway recursive;
    add paths on;
    import all;
    export filter { calico_export_to_bgp_peers_v{{number ../version}}({{flag internal}}); };
  };
}
{{/each}}
`;
