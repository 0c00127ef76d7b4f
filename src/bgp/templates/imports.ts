/**
 * How a route is taken, by whatever rule. One whose sender is going away (RFC 8326) yields to every other. One of raised
 * priority overrides this node's own route to a pod, as that pod is on its way to another node.
 */
export const importsTemplate = `function calico_import_v{{number version}}() {
  if (65535, 0) ~ bgp_community then bgp_local_pref = 0;
  if defined(bgp_local_pref) && bgp_local_pref > {{localPref normalRoutePriority}} then preference = 200;
  accept;
}
`;
