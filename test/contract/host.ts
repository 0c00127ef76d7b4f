import { watch } from "node:fs";
import { access, mkdir, mkdtemp, open, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CommandError, type Host } from "../../src/host/host.ts";

/** What every `Host` promises, tried with real programs and files. */
export function hostContract(makeHost: () => Host): void {
  describe("running programs", () => runContract(makeHost()));
  describe("programs that are kept", () => keptContract(makeHost()));
  describe("files", () => fileContract(makeHost()));
  describe("drafts", () => draftContract(makeHost));
}

// --- internal ---

function runContract(host: Host): void {
  test("passes arguments as they are and answers both outputs", async () => {
    const argument = "$HOME `id`; * \"x\" 'y' é";
    expect(await host.run(["printf", "%s", argument])).toEqual({ stdout: argument, stderr: "" });
    expect(await host.run(["sh", "-c", "echo out; echo err >&2"])).toEqual({ stdout: "out\n", stderr: "err\n" });
  });

  test("feeds stdin, and reads text that is split between reads", async () => {
    const text = "aé€𝄞".repeat(100_000);
    expect((await host.run(["cat"], { stdin: text })).stdout).toBe(text);
  });

  test("gives an empty stdin when none is given", async () => {
    expect((await host.run(["cat"])).stdout).toBe("");
  });

  test("a program that ends without reading its stdin succeeds by its exit code", async () => {
    expect(await host.run(["true"], { stdin: "x".repeat(4_000_000) })).toEqual({ stdout: "", stderr: "" });
    const failure = await failureOf(host.run(["false"], { stdin: "x".repeat(4_000_000) }));
    expect(failure.exitCode).toBe(1);
  });

  test("adds to the environment", async () => {
    const { stdout } = await host.run(["env"], { env: { GIVEN: "yes" } });
    expect(stdout.split("\n")).toEqual(expect.arrayContaining(["GIVEN=yes", `PATH=${process.env["PATH"]}`]));
  });

  test("an exit code other than 0 rejects with it and with what was said", async () => {
    const failure = await failureOf(host.run(["sh", "-c", "echo part; echo why >&2; exit 3"]));
    expect(failure).toMatchObject({ exitCode: 3, stdout: "part\n", stderr: "why\n" });
    expect(failure.message).toMatch(/^Cannot run sh .*: it ended with 3: why$/s);
  });

  test("a program that is not there rejects", async () => {
    const failure = await failureOf(host.run(["/no/such/program", "x"]));
    expect(failure.exitCode).toBeUndefined();
    expect(failure.message).toBe("Cannot run /no/such/program x: it could not be started: ENOENT");
  });

  test("an end by a signal rejects and says so", async () => {
    const failure = await failureOf(host.run(["sh", "-c", "kill -TERM $$"]));
    expect(failure.exitCode).toBeUndefined();
    expect(failure.message).toContain("was ended by SIGTERM");
  });

  test("is killed when its time is up, and what it had said is kept", async () => {
    const failure = await failureOf(host.run(["sh", "-c", "echo $$; exec sleep 600"], { timeoutMs: 300 }));
    expect(failure.message).toContain("was stopped after 300 ms");
    expect(failure.exitCode).toBeUndefined();
    expect(isAlive(Number(failure.stdout))).toBe(false);
  });

  test("is over when its time is up although a grandchild holds its output open", async () => {
    const failure = await failureOf(host.run(["sh", "-c", "sleep 600 & echo $!; wait"], { timeoutMs: 300 }));
    process.kill(Number(failure.stdout), "SIGKILL");
    expect(failure.message).toContain("was stopped after 300 ms");
  });
}

function keptContract(host: Host): void {
  const limitMs = 10_000;

  test("is asked again and again, and answers each time", async () => {
    const program = host.keep(["cat"]);
    for (const answer of ["one", "two", "three"]) await program.ask(`some words\n${answer}\n`, answer, limitMs);
    expect(program.isAlive).toBe(true);
    program.close();
    expect(program.isAlive).toBe(false);
    await expect(program.ask("", "", limitMs)).rejects.toThrow("Cannot run cat: it was closed");
  });

  test("only a whole line is the answer", async () => {
    const program = host.keep(["sh", "-c", "read x; printf 'the word\\nword'; read x; echo; cat"]);
    let answered = false;
    const asked = program.ask("go\n", "word", limitMs).then(() => {
      answered = true;
    });
    await expect(program.ask("x\n", "x", limitMs)).rejects.toThrow("the last question is not answered yet");
    expect(answered).toBe(false);
    program.close();
    await asked;
  });

  test("one that ends before it answers says why, and is asked no more", async () => {
    const program = host.keep(["sh", "-c", "read x; echo no such thing >&2; exit 3"]);
    const failure = await failureOf(program.ask("go\n", "done", limitMs));
    expect(failure.message).toBe(
      "Cannot run sh -c read x; echo no such thing >&2; exit 3: it ended with 3: no such thing",
    );
    expect(program.isAlive).toBe(false);
    expect(await failureOf(program.ask("go\n", "done", limitMs))).toBe(failure);
  });

  test("one that is killed, or does not answer in time, or is not there rejects", async () => {
    const killed = await failureOf(host.keep(["sh", "-c", "kill -9 $$"]).ask("go\n", "done", limitMs));
    expect(killed.message).toContain("was ended by SIGKILL");
    const silent = host.keep(["sh", "-c", "exec sleep 600"]);
    expect((await failureOf(silent.ask("go\n", "done", 100))).message).toContain("did not answer within 100 ms");
    expect(silent.isAlive).toBe(false);
    const missing = await failureOf(host.keep(["/no/such/program"]).ask("go\n", "done", limitMs));
    expect(missing.message).toBe("Cannot run /no/such/program: it could not be started: ENOENT");
  });

  test("one that does not read its stdin is no crash", async () => {
    const failure = await failureOf(host.keep(["true"]).ask("x".repeat(4_000_000), "done", limitMs));
    expect(failure.message).toContain("Cannot run true: it ended with 0");
  });
}

function fileContract(host: Host): void {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "margay-host-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  test("what is not there reads as undefined, lists as nothing and is removed without error", async () => {
    expect(await host.readFile(join(folder, "none"))).toBeUndefined();
    expect(await host.listFolder(join(folder, "none"))).toEqual([]);
    await host.removeFile(join(folder, "none"));
    await host.removeFile(join(folder, "none", "below"));
  });

  test("a file is written with its folders, read, listed in order and removed", async () => {
    await host.replaceFile(join(folder, "a/b/two"), "zwei é");
    await host.replaceFile(join(folder, "a/b/one"), "");
    expect(await host.listFolder(join(folder, "a/b"))).toEqual(["one", "two"]);
    expect(await host.readFile(join(folder, "a/b/two"))).toBe("zwei é");
    expect(await host.readFile(join(folder, "a/b/one"))).toBe("");
    await host.removeFile(join(folder, "a/b/one"));
    expect(await host.listFolder(join(folder, "a/b"))).toEqual(["two"]);
  });

  test("a reader of the old file is not disturbed by its replacement", async () => {
    const path = join(folder, "x");
    await host.replaceFile(path, "old text");
    const reader = await open(path);
    await host.replaceFile(path, "new");
    expect(await reader.readFile("utf8")).toBe("old text");
    await reader.close();
    expect(await host.readFile(path)).toBe("new");
  });

  test("the mode is what was asked for, whatever the umask", async () => {
    await host.replaceFile(join(folder, "secret"), "", 0o600);
    await host.replaceFile(join(folder, "open"), "", 0o666);
    await host.replaceFile(join(folder, "plain"), "");
    const modes = await Promise.all(["secret", "open", "plain"].map((name) => stat(join(folder, name))));
    expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o600, 0o666, 0o644]);
  });

  test("replacements at the same time leave one whole text and nothing beside it", async () => {
    const texts = Array.from({ length: 20 }, (_, index) => `${index}`.repeat(10_000));
    await Promise.all(texts.map((text) => host.replaceFile(join(folder, "x"), text)));
    expect(texts).toContain(await host.readFile(join(folder, "x")));
    expect(await readdir(folder)).toEqual(["x"]);
  });

  test("an unsynced replacement is whole too, has the mode that was asked for, and makes its folder", async () => {
    const path = join(folder, "a/b/x");
    for (const text of ["old text", "new"]) await host.replaceUnsynced(path, text, 0o600);
    expect(await host.readFile(path)).toBe("new");
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(await readdir(join(folder, "a/b"))).toEqual(["x"]);
    await host.replaceUnsynced(join(folder, "open"), "", 0o666);
    expect((await stat(join(folder, "open"))).mode & 0o777).toBe(0o666);
  });

  test("texts of every size are written, replaced and read whole", async () => {
    const path = join(folder, "x");
    for (const length of [100_000, 16_385, 16_384, 0, 16_384, 100_000]) {
      const text = "é".repeat(length / 2);
      await host.replaceUnsynced(path, text, 0o640);
      expect(await host.readFile(path)).toBe(text);
      expect((await stat(path)).mode & 0o777).toBe(0o640);
    }
    expect(await readdir(folder)).toEqual(["x"]);
  });

  test("files of the kernel are read, whatever size they say they are of", async () => {
    expect(await host.readFile("/proc/sys/kernel/ostype")).toBe("Linux\n");
    expect(await host.readFile("/sys/class/net/lo/ifindex")).toBe("1\n");
  });

  test("an unsynced replacement that fails names the path and leaves nothing beside it", async () => {
    await mkdir(join(folder, "x/y"), { recursive: true });
    const failing = host.replaceUnsynced(join(folder, "x"), "text");
    await expect(failing).rejects.toThrow(`Cannot replace ${join(folder, "x")}: `);
    expect(await readdir(folder)).toEqual(["x"]);
    await expect(host.replaceUnsynced("/proc/sys/kernel/x", "text")).rejects.toThrow(
      "Cannot replace /proc/sys/kernel/x: ",
    );
  });

  test("no descriptor is left open by reading and writing, also after failures", async () => {
    const count = async () => (await readdir("/proc/self/fd")).length;
    const before = await count();
    for (let round = 0; round < 50; round++) {
      await host.replaceUnsynced(join(folder, "x"), "text");
      await host.readFile(join(folder, "x"));
      await expect(host.readFile(folder)).rejects.toThrow("EISDIR");
    }
    expect(await count()).toBeLessThan(before + 25);
  });

  test("a replacement that fails names the path and leaves nothing beside it", async () => {
    await mkdir(join(folder, "x/y"), { recursive: true });
    await expect(host.replaceFile(join(folder, "x"), "text")).rejects.toThrow(`Cannot replace ${join(folder, "x")}: `);
    expect(await readdir(folder)).toEqual(["x"]);
    await access(join(folder, "x/y"));
  });

  test("files that can't be read, removed or listed are named", async () => {
    await writeFile(join(folder, "file"), "");
    await expect(host.readFile(folder)).rejects.toThrow(`Cannot read ${folder}: EISDIR`);
    await expect(host.listFolder(join(folder, "file"))).rejects.toThrow(`Cannot list ${join(folder, "file")}: ENOTDIR`);
    await expect(host.removeFile(folder)).rejects.toThrow(`Cannot remove ${folder}: `);
  });
}

function draftContract(makeHost: () => Host): void {
  let folder = "";
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "margay-host-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** Replaces the file `x` and answers the names of everything that came and went beside it. */
  async function draftsOf(host: Host): Promise<readonly string[]> {
    const seen = new Set<string>();
    const watcher = watch(folder, (_event, name) => seen.add(String(name)));
    await host.replaceFile(join(folder, "x"), "text");
    await expect.poll(() => [...seen], { timeout: 20_000 }).toContain("x");
    watcher.close();
    return [...seen].filter((name) => name !== "x");
  }

  test("what a killed replacement left is not listed, is in nobody's way, and is removed when asked for", async () => {
    const host = makeHost();
    const [draft, ...more] = await draftsOf(host);
    expect(more).toEqual([]);
    await writeFile(join(folder, String(draft)), "half");
    await writeFile(join(folder, ".hidden"), "");
    await host.replaceFile(join(folder, "x"), "new");
    expect(await host.listFolder(folder)).toEqual([".hidden", "x"]);
    await utimes(join(folder, String(draft)), 1_000, 1_000);
    await host.removeDrafts(folder, 1_000_000);
    expect(await readdir(folder)).toEqual([String(draft), ".hidden", "x"].sort());
    await host.removeDrafts(folder, 1_000_001);
    expect(await readdir(folder)).toEqual([".hidden", "x"]);
    await writeFile(join(folder, String(draft)), "half");
    await host.removeDrafts(folder);
    expect(await readdir(folder)).toEqual([".hidden", "x"]);
    await host.removeDrafts(join(folder, "none"));
  });

  test("no two drafts have the same name, not even those of a process that is another's like", async () => {
    const names = [...(await draftsOf(makeHost())), ...(await draftsOf(makeHost()))];
    expect(names).toHaveLength(2);
    expect(new Set(names).size).toBe(2);
  });
}

async function failureOf(running: Promise<unknown>): Promise<CommandError> {
  const error = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CommandError)) throw new Error(`Expected a CommandError, got ${String(error)}`);
  return error;
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
