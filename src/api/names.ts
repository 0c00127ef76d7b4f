/** The name of a Kubernetes Node (RFC 1123 subdomain). */
export type NodeName = string & { readonly __brand: "NodeName" };

/** `namespace/name` of a namespaced object. Neither part can hold a slash. */
export type NamespacedName = string & { readonly __brand: "NamespacedName" };

/** The two parts as one key. */
export function namespacedName(namespace: string, name: string): NamespacedName {
  return `${namespace}/${name}` as NamespacedName;
}

/** The inverse of `namespacedName`. */
export function splitName(key: NamespacedName): readonly [namespace: string, name: string] {
  const slash = key.indexOf("/");
  return [key.slice(0, slash), key.slice(slash + 1)];
}

/** Where the product's own objects live: service accounts, Leases, Secrets. */
export const systemNamespace = "margay-system";
