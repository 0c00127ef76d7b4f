/** What the API server says of objects, which it is only asked about. */
import { kindOfObject, resourcePath } from "../../../src/api/kinds.ts";
import { type KubeClient, KubeError } from "../../../src/kube/client.ts";
import type { BrokenObject } from "./draw.ts";
import { samples } from "./samples.ts";

/** `stored`: the object as it would be read afterwards; absent when the server refuses it, in its words. */
export type Answer = { readonly refusal: string } | { readonly stored: unknown };

/** What it says to making `object`, of which every field must be known. Rejects for a fault of the server's. */
export async function ask(
  client: KubeClient,
  { kind, object }: Pick<BrokenObject, "kind" | "object">,
): Promise<Answer> {
  const { apiVersion, kind: name, metadata } = samples[kind];
  const known = kindOfObject(apiVersion, name);
  if (known === undefined) throw new Error(`Cannot ask about ${kind}: there is no kind ${apiVersion} ${name}`);
  const namespace = metadata["namespace"] as string | undefined;
  const query = { dryRun: "All", fieldValidation: "Strict" };
  try {
    return { stored: await client.request("POST", resourcePath(known, { namespace }), { query, body: object }) };
  } catch (error) {
    if (error instanceof KubeError && error.status >= 400 && error.status < 500) return { refusal: error.message };
    throw error;
  }
}

/** The answers about all, in their order; a few are asked about at a time. */
export async function askAll(client: KubeClient, all: readonly BrokenObject[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  const left = [...all.entries()];
  const worker = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) answers[next[0]] = await ask(client, next[1]);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
  return answers;
}
