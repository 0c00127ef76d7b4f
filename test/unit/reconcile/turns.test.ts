import { setImmediate as nextTurn, setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { Turns } from "../../../src/reconcile/turns.ts";

const sleep = (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal });

/** Work that says when it begins, and ends when it is told to. */
function pieces(said: string[]) {
  const ends = new Map<string, PromiseWithResolvers<string>>();
  const piece = (name: string) => () => {
    said.push(name);
    const end = Promise.withResolvers<string>();
    ends.set(name, end);
    return end.promise;
  };
  return { piece, end: (name: string) => ends.get(name)?.resolve(`${name} is done`), ends };
}

test("one at a time, in the order in which they came", async () => {
  const said: string[] = [];
  const { piece, end } = pieces(said);
  const turns = new Turns({ sleep });
  const all = ["a", "b", "c"].map((name) => turns.take(piece(name)));
  for (const name of ["a", "b", "c"]) {
    await nextTurn();
    expect(said.at(-1)).toBe(name);
    end(name);
  }
  expect(await Promise.all(all)).toEqual(["a is done", "b is done", "c is done"]);
  expect(said).toEqual(["a", "b", "c"]);
});

test("at whatever moment others come, no two have a turn at once, and none goes before who waits", async () => {
  const turns = new Turns({ sleep });
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const all: Promise<unknown>[] = [];
  for (let number = 0; number < 50; number++) {
    all.push(
      turns.take(async () => {
        most = Math.max(most, ++running);
        order.push(number);
        for (let tick = 0; tick < number % 4; tick++) await Promise.resolve();
        running--;
      }),
    );
    await Promise.resolve();
  }
  await Promise.all(all);
  expect(most).toBe(1);
  expect(order).toEqual(all.map((_, number) => number));
});

test("one that fails passes the turn on", async () => {
  const turns = new Turns({ sleep });
  const failing = turns.take(() => Promise.reject(new Error("no")));
  const next = turns.take(async () => "next");
  await expect(failing).rejects.toThrow("no");
  expect(await next).toBe("next");
  expect(await turns.take(async () => "later")).toBe("later");
});

test("one that takes too long goes on beside the next, and passes no other's turn on when it ends", async () => {
  const said: string[] = [];
  const { piece, end } = pieces(said);
  const turns = new Turns({ sleep });
  const long = turns.take(piece("long"), 10);
  const next = turns.take(piece("next"));
  await expect.poll(() => said).toEqual(["long", "next"]);
  const last = turns.take(piece("last"));
  end("long");
  expect(await long).toBe("long is done");
  await nextTurn();
  expect(said).toEqual(["long", "next"]);
  end("next");
  await next;
  await nextTurn();
  end("last");
  expect(await last).toBe("last is done");
});

test("once stopped who waits is let go and does nothing, and who has a turn keeps it", async () => {
  const said: string[] = [];
  const { piece, end } = pieces(said);
  const turns = new Turns({ sleep });
  const running = turns.take(piece("running"));
  const waiting = [turns.take(piece("a")), turns.take(piece("b"), 10)];
  turns.stop();
  expect(await Promise.all([...waiting, turns.take(piece("late"))])).toEqual([undefined, undefined, undefined]);
  end("running");
  expect(await running).toBe("running is done");
  expect([await turns.take(piece("later")), said]).toEqual([undefined, ["running"]]);
});

test("no timer is left behind by one that ends in time", async () => {
  const left: AbortSignal[] = [];
  const turns = new Turns({
    sleep: (ms, signal) => {
      left.push(signal);
      return sleep(ms, signal);
    },
  });
  await turns.take(async () => "quick", 60_000);
  await turns.take(async () => "unbounded");
  expect(left.map(({ aborted }) => aborted)).toEqual([true]);
});
