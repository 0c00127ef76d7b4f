/** The names of the one program. */
export const programNames = ["calico", "calico-ipam"] as const;

/** Whether this is a version of our program: it names the agent in its errors, as no other does. */
export function isOurProgram(bytes: Buffer): boolean {
  return bytes.includes("(margay agent)");
}
