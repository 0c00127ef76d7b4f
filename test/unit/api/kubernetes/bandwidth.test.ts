import { expect, test } from "vitest";
import { parseBandwidth } from "../../../../src/api/kubernetes/bandwidth.ts";

const own = (parts: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(parts).map(([name, text]) => [`qos.projectcalico.org/ingress${name}`, text]));
const legacy = (text: string) => ({ "kubernetes.io/ingress-bandwidth": text });
const ingress = (annotations: Readonly<Record<string, string>>) => parseBandwidth(annotations, "ingress");

const defaultBurst = 4 * 1024 ** 3;

test("nothing is asked where nothing is said of the direction", () => {
  expect(ingress({})).toEqual({ limit: undefined, problems: [] });
  expect(parseBandwidth(own({ Bandwidth: "1M" }), "egress")).toEqual({ limit: undefined, problems: [] });
});

test("both families are read, and the own one overrides the other", () => {
  expect(ingress(legacy("10M"))).toEqual({ limit: { bandwidth: 10_000_000, burst: defaultBurst }, problems: [] });
  expect(ingress({ ...legacy("10M"), ...own({ Bandwidth: "1Gi" }) }).limit?.bandwidth).toBe(1024 ** 3);
  expect(ingress({ ...legacy("10M"), ...own({ Burst: "1M" }) }).limit).toEqual({
    bandwidth: 10_000_000,
    burst: 1_000_000,
  });
});

test("all four are read", () => {
  const asked = own({ Bandwidth: "8M", Burst: "2M", Peakrate: "1e7", Minburst: "3k" });
  expect(ingress(asked)).toEqual({
    limit: { bandwidth: 8_000_000, burst: 2_000_000, peakrate: 10_000_000, minburst: 3_000 },
    problems: [],
  });
});

test("what cannot be read is left out, also of the own family above the other", () => {
  const { limit, problems } = ingress({ ...legacy("10M"), ...own({ Bandwidth: "quick" }) });
  expect(limit).toBeUndefined();
  expect(problems).toEqual([
    'qos.projectcalico.org/ingressBandwidth is left out: "quick" is no quantity such as 10M or 1Gi',
  ]);
  const burst = ingress(own({ Bandwidth: "1M", Burst: "1 M" }));
  expect(burst.limit).toEqual({ bandwidth: 1_000_000, burst: defaultBurst });
  expect(burst.problems).toHaveLength(1);
});

test.for<[string, string, number]>([
  ["Bandwidth", "999", 1_000],
  ["Bandwidth", "-1", 1_000],
  ["Bandwidth", "1.1P", 1e15],
  ["Burst", "1", 1_000],
  ["Burst", "5Ti", 34_359_738_360],
  ["Peakrate", "2P", 1.01e15],
  ["Minburst", "500", 1_000],
  ["Minburst", "1G", 100_000_000],
])("%s of %s is taken as %s", ([name, text, taken]) => {
  const all = { Bandwidth: "8M", Peakrate: "9M", Minburst: "2k", [name]: text };
  // Or the highest bandwidth would leave no room for a peak above it.
  const asked = name === "Bandwidth" ? { Bandwidth: text } : all;
  const { limit, problems } = ingress(own(asked));
  expect(limit).toMatchObject({ [name.toLowerCase()]: taken });
  expect(problems).toEqual([expect.stringMatching(`^qos.projectcalico.org/ingress${name} is taken as ${taken}: `)]);
});

test("what needs another is left out without it", () => {
  expect(ingress(own({ Burst: "1M", Peakrate: "2M", Minburst: "2k" }))).toEqual({
    limit: undefined,
    problems: [
      "qos.projectcalico.org/ingressBurst is left out: there is no qos.projectcalico.org/ingressBandwidth",
      "qos.projectcalico.org/ingressPeakrate is left out: it must be more than the bandwidth",
      "qos.projectcalico.org/ingressMinburst is left out: there is no qos.projectcalico.org/ingressPeakrate",
    ],
  });
  // A difference of less than a byte is none for the kernel.
  expect(ingress(own({ Bandwidth: "8000", Peakrate: "8007" })).limit).toEqual({
    bandwidth: 8_000,
    burst: defaultBurst,
  });
  expect(ingress(own({ Bandwidth: "8000", Peakrate: "8008" })).limit).toMatchObject({ peakrate: 8_008 });
});
