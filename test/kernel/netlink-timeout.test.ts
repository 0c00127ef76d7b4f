import { expect, test } from "vitest";
import {
  closeNetlink,
  openNetlink,
  receiveMessages,
  restoreAnswerTimeout,
  setAnswerTimeout,
  setNetlinkTimeout,
} from "../../src/host/netlink/open-netlink.ts";

/** Upstream's, which holds until it is set. */
const usualMs = 10_000;

// One that waits for the usual time takes longer than the test may.
test("an answer that never comes is waited for as long as is set, at every socket", { timeout: usualMs - 1000 }, () => {
  const before = openNetlink(undefined, "route");
  setNetlinkTimeout(0.25);
  const after = openNetlink(undefined, "netfilter");
  try {
    const read = (fd: number) => () => receiveMessages(fd);
    expect(read(before)).toThrow("ETIMEDOUT (none came in time)");
    setNetlinkTimeout(1.000_01);
    expect(read(after)).toThrow("ETIMEDOUT (none came in time)");
    setAnswerTimeout(after, 2 * usualMs);
    restoreAnswerTimeout(after);
    expect(read(after)).toThrow("ETIMEDOUT (none came in time)");
  } finally {
    for (const fd of [before, after]) closeNetlink(fd, false);
    // What is closed is left alone: its number may be another file's by now.
    expect(() => setNetlinkTimeout(usualMs)).not.toThrow();
  }
});
