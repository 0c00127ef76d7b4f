/** Where every Kubernetes NetworkPolicy stands in the tier `default`, as upstream. */
export const kubeOrder = 1000;
