import type { Agents } from "../../src/controllers/agents.ts";

/** No agent answers. */
export const noAgents: Agents = {
  addressesInUse: () => Promise.reject(new Error("there is no agent")),
  policiesInForce: () => Promise.reject(new Error("there is no agent")),
  bgp: () => Promise.reject(new Error("there is no agent")),
  probeBgp: () => Promise.reject(new Error("there is no agent")),
};
