/** Connected networks, which next hops resolve over. */
export const directTemplate = `protocol direct {
{{#each families}}
  ipv{{number version}};
{{/each}}
  interface {{#each ignoredInterfaces}}-{{quoted this}}, {{/each}}"*";
}
`;
