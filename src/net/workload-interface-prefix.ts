/** What the host's end of every workload's interface is named with first, as upstream's default. */
export const workloadInterfacePrefix = "cali";
