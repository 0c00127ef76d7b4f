import { KubeError, KubeUnreachableError } from "../kube/client.ts";

/** The error that says also what to do about it, when the cluster could not be asked or refused to answer. */
export function withRemedy(error: unknown): unknown {
  const remedy = remedyOf(error);
  if (!(error instanceof Error) || remedy === undefined) return error;
  return new Error(`${error.message.replace(/\.$/, "")}. ${remedy}`, { cause: error });
}

// --- internal ---

function remedyOf(error: unknown): string | undefined {
  if (error instanceof KubeUnreachableError) return "See that it runs, and that the kubeconfig is that of this cluster";
  if (!(error instanceof KubeError)) return undefined;
  if (error.status === 401) return "Renew the credentials in the kubeconfig";
  if (error.status === 403) return "Ask for a role that allows it, or name another account with --kubeconfig";
  // No metav1.Status: not the object is missing, but its kind.
  if (error.status === 404 && error.reason === "") {
    return "The cluster does not know this kind: install Margay's CRDs, or name another cluster with --kubeconfig";
  }
  return undefined;
}
