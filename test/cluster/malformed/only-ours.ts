/** What the API server cannot hold objects to, so that only our parser refuses it; the object then fails closed. */

/** Whether our parser's words are about nothing else. */
export function onlyOurs(rejection: string): boolean {
  return limits.some((limit) => limit.test(rejection));
}

// --- internal ---

const rule = "spec\\.(ingress|egress)\\[[0-9]+\\]";

const limits: readonly RegExp[] = [
  // CEL has no parser of our selectors, and to take texts apart in as many places as these would cost more than it may.
  /[sS]elector is .*: Cannot read the selector /s,
  /[pP]orts\[[0-9]+\] is .*: the range must not end before it begins/,
  /: ports need the protocol TCP, UDP or SCTP; names of ports may also stand without a protocol/,
  new RegExp(`${rule}\\.(source|destination)\\.(nets|notNets)\\[[0-9]+\\] is .*: it must be a network`, "s"),
  /notNets is .*: the networks of a rule must be of one family/s,
  /: the networks of a rule must be of one family, and of its ipVersion/,
  // Other projects' schemas leave labels, operators and the names of ports to whoever reads them.
  /(: it is no label|: it must not contain a "|operator (Exists|DoesNotExist) takes no values|needs at least one value)/,
  /operator is .*: it must be one of "In", "NotIn"/s,
  // Theirs have no limit.
  /: it has [0-9]+ (requirements|values), and may have [0-9]+/,
  /destinationNamedPort is .*: it must be the name of a port/s,
  // Never enforced, and with a schema as loose as upstream's.
  /^Cannot read StagedKubernetesNetworkPolicy /,
  // Beyond what a rule of a CRD can see; ValidatingAdmissionPolicies hold objects to it.
  /metadata\.labels is .*: a network set may not carry the label/s,
];
