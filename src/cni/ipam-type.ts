/** The IPAM plugin that this agent is itself. */
export const ownIpam = "calico-ipam";

/**
 * Whether a configuration's `ipam.type` names another plugin's executable: one word of a path, and not this plugin itself, which
 * would then run itself without end.
 */
export function isExecutedType(type: string): boolean {
  return type !== ownIpam && type !== "calico" && /^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/.test(type);
}
