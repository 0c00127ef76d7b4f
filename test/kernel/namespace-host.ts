import type { Host } from "../../src/host/host.ts";
import { LinuxHost } from "../../src/host/linux-host.ts";

/** The machine as seen from one network namespace; remembers which programs were run. */
export class NamespaceHost extends LinuxHost {
  readonly ran: string[] = [];
  readonly #namespace: string;
  readonly #programOf: (name: string) => string;

  /** `programOf` says which program to run for a name, e.g. another variant of it. */
  constructor(namespace: string, programOf = (name: string) => name) {
    super();
    this.#namespace = namespace;
    this.#programOf = programOf;
  }

  override run([name, ...rest]: Parameters<Host["run"]>[0], options?: Parameters<Host["run"]>[1]) {
    this.ran.push(name);
    return super.run(["ip", "netns", "exec", this.#namespace, this.#programOf(name), ...rest], options);
  }

  override keep([name, ...rest]: Parameters<Host["keep"]>[0]) {
    this.ran.push(name);
    return super.keep(["ip", "netns", "exec", this.#namespace, this.#programOf(name), ...rest]);
  }
}
