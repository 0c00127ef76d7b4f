import type { Host, KeptProgram, RunOptions, RunResult } from "../../host/host.ts";
import type { IpVersion } from "../../net/ip.ts";
import type { DataplaneObserver, KernelCall } from "./dataplane-observer.ts";
import { ipsetLines, restoreLines, type WrittenLines } from "./written-lines.ts";

/**
 * The same machine; the observer is told of each program that was run, how long it took and, of iptables and ipset, what was
 * written. Told once the program has answered, before whoever asked goes on. `monotonicNow` is in milliseconds.
 */
export function observedHost(host: Host, observer: DataplaneObserver, monotonicNow: () => number): Host {
  const watch = { observer, monotonicNow };
  return {
    run: (argv, options) => runObserved(() => host.run(argv, options), argv, { ...watch, options }),
    keep: (argv) => new ObservedProgram(host.keep(argv), argv, watch),
    readFile: (path) => host.readFile(path),
    replaceFile: (path, text, mode) => host.replaceFile(path, text, mode),
    replaceUnsynced: (path, text, mode) => host.replaceUnsynced(path, text, mode),
    removeFile: (path) => host.removeFile(path),
    listFolder: (path) => host.listFolder(path),
    removeDrafts: (folder, before) => host.removeDrafts(folder, before),
  };
}

// --- internal ---

interface Watch {
  readonly observer: DataplaneObserver;
  readonly monotonicNow: () => number;
}

type Argv = readonly [string, ...string[]];

class ObservedProgram implements KeptProgram {
  readonly #program: KeptProgram;
  readonly #argv: Argv;
  readonly #watch: Watch;
  #isStarted = false;

  constructor(program: KeptProgram, argv: Argv, watch: Watch) {
    this.#program = program;
    this.#argv = argv;
    this.#watch = watch;
  }

  get isAlive(): boolean {
    return this.#program.isAlive;
  }

  ask(text: string, answer: string, timeoutMs: number): Promise<void> {
    const started = !this.#isStarted;
    this.#isStarted = true;
    return observe(
      () => this.#program.ask(text, answer, timeoutMs),
      { ...kindOf(this.#argv), text, started },
      this.#watch,
    );
  }

  close(): void {
    this.#program.close();
  }
}

function runObserved(
  run: () => Promise<RunResult>,
  argv: Argv,
  { options, ...watch }: Watch & { readonly options: RunOptions | undefined },
): Promise<RunResult> {
  return observe(run, { ...kindOf(argv), text: options?.stdin ?? "", started: true }, watch);
}

type Call = Pick<KernelCall, "what" | "version" | "started"> & { readonly text: string };

async function observe<T>(
  action: () => Promise<T>,
  { text, ...call }: Call,
  { observer, monotonicNow }: Watch,
): Promise<T> {
  const startedAt = monotonicNow();
  let counted = nothing;
  try {
    const result = await action();
    counted = linesOf(call.what, text);
    return result;
  } finally {
    const { written, lines } = counted;
    observer.called({ ...call, ms: monotonicNow() - startedAt, failed: counted === nothing, lines });
    if (lines.size > 0) observer.wrote(written);
  }
}

const nothing: WrittenLines = { written: {}, lines: new Map() };

function linesOf(what: KernelCall["what"], text: string): WrittenLines {
  if (text !== "" && what === "iptables-restore") return restoreLines(text);
  if (text !== "" && what === "ipset") return ipsetLines(text);
  return { written: {}, lines: new Map() };
}

/** By the program's name, of either variant and family, e.g. `ip6tables-legacy-restore`. */
function kindOf([program]: Argv): Pick<KernelCall, "what" | "version"> {
  const [, six, action] = /(?:^|\/)ip(6?)tables(?:-nft|-legacy)?-(restore|save)$/.exec(program) ?? [];
  const version: IpVersion = six === "6" ? 6 : 4;
  if (action === "restore" || action === "save") return { what: `iptables-${action}`, version };
  return { what: /(?:^|\/)ipset$/.test(program) ? "ipset" : "other" };
}
