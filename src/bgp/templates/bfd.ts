/**
 * Quick detection of a dead neighbour (RFC 5880), when some session asks for it: 1.5 s. Sessions that are `multihop` speak
 * RFC 5883 (port 4784), the others RFC 5881 (port 3784).
 */
export const bfdTemplate = `{{#if bfd}}
protocol bfd {
  interface "*" {
    interval 300 ms;
    multiplier 5;
  };
  multihop {
    interval 300 ms;
    multiplier 5;
  };
}
{{/if}}
`;
