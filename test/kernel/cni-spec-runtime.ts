import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findCniPrograms } from "../../lab/binaries.ts";
import { confOf } from "./cni-call.ts";
import type { CniNode } from "./cni-node.ts";
import { test as cniTest } from "./cni-test.ts";

/** A plugin's part of a network configuration. */
export interface PluginConf {
  readonly type: string;
  readonly [setting: string]: unknown;
}

/** A network configuration (CNI specification section 1). */
export interface NetworkConf {
  readonly cniVersion: string;
  readonly name: string;
  readonly plugins: readonly PluginConf[];
  readonly [setting: string]: unknown;
}

/** One interface of one container, as the runtime tells of it. */
export interface Attachment {
  readonly container: string;
  /** Absent, as for a DEL of a container whose namespace has gone. */
  readonly netns?: string | undefined;
  /** `eth0` when absent. */
  readonly interfaceName?: string;
  readonly pod: string;
  readonly capabilities?: Readonly<Record<string, unknown>>;
}

/** What the library did and how it ended: `message` is empty when it went well. */
export interface RuntimeReply {
  readonly result?: unknown;
  readonly versions?: Readonly<Record<string, readonly string[]>>;
  readonly message: string;
  readonly error?: { readonly code: number; readonly msg: string; readonly details?: string };
  /** In order. */
  readonly executions: readonly Execution[] | null;
}

/** One plugin that was executed. */
export interface Execution {
  readonly plugin: string;
  readonly verb: string;
  readonly conf: Readonly<Record<string, unknown>>;
  readonly output: string;
}

type AttachmentVerb = "ADD" | "CHECK" | "DEL";

/** A container runtime on a node: the library that runtimes are made with, our executables, and the reference plugins. */
export class CniRuntime implements AsyncDisposable {
  readonly node: CniNode;
  /** The reference plugins. */
  readonly programs: string;
  /** Free for what plugins keep. */
  readonly folder: string;

  private constructor(node: CniNode, programs: string, folder: string) {
    this.node = node;
    this.programs = programs;
    this.folder = folder;
  }

  static async make(node: CniNode): Promise<CniRuntime> {
    return new CniRuntime(node, await findCniPrograms(), await mkdtemp(join(tmpdir(), "margay-runtime-")));
  }

  /** Does to one attachment what the verb says; `cache` names the memory of the runtime that does it. */
  attach(verb: AttachmentVerb, list: NetworkConf, attachment: Attachment, cache = "own"): Promise<RuntimeReply> {
    const { container, netns = "", interfaceName = "eth0", pod, capabilities = {} } = attachment;
    const names = { K8S_POD_NAMESPACE: "shop", K8S_POD_NAME: pod, K8S_POD_UID: `uid-${pod}` };
    return this.#call({
      verb,
      list,
      cache: join(this.folder, "cache", cache),
      call: {
        ContainerID: container,
        NetNS: netns,
        IfName: interfaceName,
        Args: [["IgnoreUnknown", "1"], ["argA", "foo"], ...Object.entries(names)],
        CapabilityArgs: capabilities,
      },
    });
  }

  /** Asks all plugins of a network for what concerns no attachment. */
  ask(verb: "STATUS" | "VERSION", list: NetworkConf): Promise<RuntimeReply> {
    return this.#call({ verb, list, cache: join(this.folder, "cache/own") });
  }

  /** Has a network's garbage collected: what is not of these attachments. */
  collect(list: NetworkConf, valid: readonly Attachment[], cache = "own"): Promise<RuntimeReply> {
    return this.#call({
      verb: "GC",
      list,
      cache: join(this.folder, "cache", cache),
      valid: valid.map(({ container, interfaceName = "eth0" }) => ({ containerID: container, ifname: interfaceName })),
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }

  async #call(request: Readonly<Record<string, unknown>>): Promise<RuntimeReply> {
    const { host } = this.node.dependencies;
    // In the node's network namespace, as a runtime is.
    const argv = ["nsenter", `--net=${this.node.netns}`, join(this.programs, "libcni-call")] as const;
    const stdin = JSON.stringify({ ...request, path: [this.node.shim.programs, this.programs] });
    return JSON.parse((await host.run(argv, { stdin })).stdout) as RuntimeReply;
  }
}

/** A test with a node of its own and a runtime on it. */
export const test = cniTest.extend("runtime", async ({ node }, { onCleanup }) => {
  const runtime = await CniRuntime.make(node);
  onCleanup(() => runtime[Symbol.asyncDispose]());
  return runtime;
});

/** Our part of a network configuration. */
export function calico(changes: Readonly<Record<string, unknown>> = {}): PluginConf {
  const { name: _name, cniVersion: _version, type, ...rest } = confOf(changes);
  return { type: String(type), ...rest };
}

/** What one plugin was given and said, of a reply. */
export function executionOf(reply: RuntimeReply, plugin: string): Execution {
  const found = reply.executions?.find((one) => one.plugin === plugin);
  if (found === undefined) throw new Error(`Cannot find ${plugin} among what was executed: ${reply.message}`);
  return found;
}
