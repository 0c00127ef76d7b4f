import { describe, expect, test } from "vitest";
import { addressSettings } from "../../../../src/agent/node/address-settings.ts";

describe("upstream's variables", () => {
  test("without any, the Node keeps its addresses; IPv4's is found otherwise, and IPv6's is its InternalIP if there is one", () => {
    expect(addressSettings({ IP: "", IP6: "" })).toEqual({
      wishes: {
        4: { kind: "detect", method: undefined, keepsWhatIsThere: true },
        6: { kind: "detect", method: { kind: "kubernetes-internal-ip" }, keepsWhatIsThere: true },
      },
      asNumber: undefined,
      pollMs: 60_000,
      checksConflicts: true,
      problems: [],
    });
  });

  test("all of them", () => {
    const { wishes, ...rest } = addressSettings({
      IP: "autodetect",
      IP_AUTODETECTION_METHOD: "interface=eth.*",
      IP6: "fd00::7/64",
      AUTODETECT_POLL_INTERVAL: "10s",
      DISABLE_NODE_IP_CHECK: "true",
      AS: "1.10",
    });
    expect(wishes).toEqual({
      4: { kind: "detect", method: { kind: "interface", patterns: [/eth.*/] }, keepsWhatIsThere: false },
      6: { kind: "fixed", ip: "fd00::7", prefixLength: 64 },
    });
    expect(rest).toEqual({ asNumber: 65546, pollMs: 10_000, checksConflicts: false, problems: [] });
  });

  test("`none` is no BGP in the family; an address needs no length", () => {
    const { wishes } = addressSettings({ IP: "none", IP6: "fd00::7" });
    expect(wishes).toEqual({ 4: { kind: "none" }, 6: { kind: "fixed", ip: "fd00::7", prefixLength: undefined } });
  });

  test.each([
    [{ IP: "here" }, /IP="here".*the Node keeps the address/],
    [{ IP: "fd00::1" }, /must be an IPv4 address/],
    [{ IP: "10.0.0.1/33" }, /length/],
    [{ IP_AUTODETECTION_METHOD: "magic" }, /IP_AUTODETECTION_METHOD="magic".*InternalIP counts/],
    [{ AUTODETECT_POLL_INTERVAL: "soon" }, /60s counts/],
    [{ AS: "0" }, /AS number/],
  ])("%j does not count, and is told", (environment, problem) => {
    const { problems, wishes, pollMs, asNumber } = addressSettings(environment);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect({ wishes, pollMs, asNumber }).toMatchObject({
      wishes: { 4: { kind: "detect", method: undefined } },
      pollMs: 60_000,
      asNumber: undefined,
    });
  });
});
