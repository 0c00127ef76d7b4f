import { expect, test } from "vitest";
import { BirdControl } from "../../src/bgp/bird/bird-control.ts";
import { readBirdStatus } from "../../src/bgp/bird/read-bird-status.ts";

/** A running BIRD 2. */
export interface RunningBird {
  readonly socketPath: string;
  /** Ends it at once. */
  kill(): Promise<void>;
}

/**
 * What the client relies on at BIRD's control socket. `bird` gives the one to test; it has at least one BGP session, and
 * it is gone after the last test.
 */
export function birdControlContract(bird: () => RunningBird): void {
  test("greets, and answers overlapping commands in order", async () => {
    using control = await BirdControl.connect(bird().socketPath);
    const answers = await Promise.all(
      ["show status", "show protocols", "show status"].map((one) => control.command(one)),
    );
    expect(answers.map((answer) => answer.code)).toEqual([13, 0, 13]);
    expect(answers[1]?.lines.some(({ code }) => code === 1002)).toBe(true);
  });

  test("refuses what it does not know, and goes on", async () => {
    using control = await BirdControl.connect(bird().socketPath);
    await expect(control.command("margay")).rejects.toMatchObject({ reason: "refused", code: 9001 });
    await expect(control.command("show status")).resolves.toMatchObject({ code: 13 });
  });

  test("reconfigures with 0003, or 0004 while sessions end", async () => {
    using control = await BirdControl.connect(bird().socketPath);
    const { code } = await control.command("configure");
    expect([3, 4]).toContain(code);
  });

  test("tells its status and its sessions in the form that is read", async () => {
    const status = await readBirdStatus(bird().socketPath);
    expect(status.version).toMatch(/^2\./);
    expect(status.lastReboot).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/);
    expect(status.sessions.length).toBeGreaterThan(0);
    for (const session of status.sessions) expect(session.since).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
  });

  test("its end rejects what waits, and then it is unreachable", async () => {
    using control = await BirdControl.connect(bird().socketPath);
    await bird().kill();
    await expect(control.command("show status")).rejects.toMatchObject({ reason: "closed" });
    await expect(BirdControl.connect(bird().socketPath)).rejects.toMatchObject({ reason: "unreachable" });
  });
}
