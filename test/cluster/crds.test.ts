import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { crdOf } from "../../crds/crd.ts";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import type { CalicoNodeStatusReport } from "../../src/api/calico-node-status.ts";
import type { CustomKind } from "../../src/api/custom-kind.ts";
import { apiOf, customKinds } from "../../src/api/custom-kinds.ts";
import { parseIpamBlock } from "../../src/api/ipam-block.ts";
import { kindOfObject } from "../../src/api/kinds.ts";
import { namedBgpObjects } from "../unit/api/bgp-specs.ts";
import { namedObjects } from "../unit/api/policy-specs.ts";
import { badSpecs, goodSpecs } from "../unit/api/specs.ts";
import { refusal } from "./refusal.ts";

let plane: ControlPlane;

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), "margay-crds-"));
  plane = await startControlPlane({ folder, components: "api" });
  await plane.kubectl(["apply", "--server-side", `--filename=${resolve(import.meta.dirname, "../../crds")}`]);
  const names = customKinds.map((kind) => `customresourcedefinition/${crdOf(kind).metadata.name}`);
  await plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", ...names]);
}, 180_000);

afterAll(async () => {
  await plane?.stop();
});

function objectOf(kind: string, spec: unknown, name = "one"): string {
  const custom = customKinds.find((one) => one.kind === kind);
  if (custom === undefined) throw new Error(`no kind ${kind}`);
  return JSON.stringify({ apiVersion: apiVersionOf(custom), kind, metadata: { name }, spec });
}

function apiVersionOf(kind: CustomKind): string {
  const { group, version } = apiOf(kind);
  return `${group}/${version}`;
}

/** The name that kubectl mistakes for no other kind's. */
function fullName(kind: CustomKind): string {
  return crdOf(kind).metadata.name;
}

describe("each CRD", () => {
  test.each(customKinds.map((kind) => [kind.plural, kind] as const))(
    "%s is served as the catalogue says",
    async (_, kind) => {
      const known = kindOfObject(apiVersionOf(kind), kind.kind);
      const crd = JSON.parse(
        await plane.kubectl(["get", "customresourcedefinition", crdOf(kind).metadata.name, "--output=json"]),
      );
      const conditions: { type: string; status: string; message: string }[] = crd.status.conditions;
      expect(conditions.filter(({ type, status }) => type === "NonStructuralSchema" && status === "True")).toEqual([]);
      expect(crd.status.acceptedNames).toMatchObject({ plural: known?.plural, singular: known?.singular });
      for (const name of kind.shortNames) await plane.kubectl(["get", name]);
    },
  );

  test.each(customKinds.map((kind) => [kind.kind, kind] as const))(
    "takes the example of %s and keeps every field",
    async (_, kind) => {
      const given = objectOf(kind.kind, kind.example, "example");
      // The example of a block writes its large numbers as text, which JSON cannot otherwise carry.
      const numbers = given.replaceAll(/"(\d{16,})"/g, "$1");
      await plane.kubectl(["create", "--filename=-"], numbers);
      const stored = await plane.kubectl(["get", fullName(kind), "example", "--output=json"]);
      expect(JSON.parse(stored).spec).toMatchObject(JSON.parse(numbers).spec);
    },
  );
});

test("kubectl explain tells a person what a block size is", async () => {
  const text = await plane.kubectl(["explain", "ippool.spec.blockSize"]);
  const words = text.replaceAll(/\s+/g, " ");
  expect(words).toContain("FIELD: blockSize <integer>");
  expect(words).toContain("The prefix length of the blocks that nodes take from the pool: 20 to 32 for IPv4");
  for (const kind of customKinds) {
    const api = `--api-version=${apiVersionOf(kind)}`;
    expect(await plane.kubectl(["explain", kind.plural, api, "--recursive"])).not.toContain("<no description>");
  }
});

describe("a spec that our parser refuses", () => {
  test.each(badSpecs)("is refused by the API server too: $kind, $sentence", async ({ kind, spec, path, sentence }) => {
    const said = await refusal(plane, ["create", "--dry-run=server", "--filename=-"], objectOf(kind, spec));
    expect(said).toContain(path);
    expect(said).toContain(sentence);
  });
});

test.each(goodSpecs)("a spec that our parser takes is taken by the API server: $kind $spec", async ({ kind, spec }) => {
  await plane.kubectl(["create", "--dry-run=server", "--filename=-"], objectOf(kind, spec));
});

test.each([...namedObjects, ...namedBgpObjects])(
  "$kind $name with $spec: $sentence",
  async ({ kind, name, spec, sentence }) => {
    const argv = ["create", "--dry-run=server", "--filename=-"];
    if (sentence === undefined) await plane.kubectl(argv, objectOf(kind, spec, name));
    else expect(await refusal(plane, argv, objectOf(kind, spec, name))).toContain(sentence);
  },
);

test("policies can be listed by their tier", async () => {
  for (const [name, tier] of Object.entries({ first: "top", second: "low" })) {
    await plane.kubectl(["create", "--filename=-"], objectOf("NetworkPolicy", { tier }, name));
  }
  const selector = "--field-selector=spec.tier=low";
  const listed = await plane.kubectl(["get", "networkpolicies.projectcalico.org", "--output=name", selector]);
  expect(listed.trim()).toBe("networkpolicy.projectcalico.org/second");
});

test("what is asked of a node can be listed by the node, and its answer is written apart", async () => {
  for (const node of ["node-1", "node-2"]) {
    await plane.kubectl(
      ["create", "--filename=-"],
      objectOf("CalicoNodeStatus", { node, classes: ["BGP"] }, `of-${node}`),
    );
  }
  const selector = "--field-selector=spec.node=node-2";
  const listed = await plane.kubectl(["get", "caliconodestatuses", "--output=name", selector]);
  expect(listed.trim()).toBe("caliconodestatus.projectcalico.org/of-node-2");
  const counts = {
    numberEstablishedV4: 1,
    numberNotEstablishedV4: 0,
    numberEstablishedV6: 0,
    numberNotEstablishedV6: 0,
  };
  const peer = { peerIP: "192.0.2.1", type: "NodeMesh" as const, state: "Established" as const, since: "09:00" };
  const daemon = {
    state: "Ready" as const,
    version: "2.0.12",
    routerID: "192.0.2.7",
    lastBootTime: "a",
    lastReconfigurationTime: "b",
  };
  const learnedFrom = { sourceType: "NodeMesh" as const, peerIP: "192.0.2.1" };
  const route = {
    type: "FIB" as const,
    destination: "10.0.0.0/26",
    gateway: "192.0.2.1",
    interface: "eth0",
    learnedFrom,
  };
  const status: CalicoNodeStatusReport = {
    lastUpdated: "2026-01-02T03:04:05Z",
    agent: { birdV4: daemon, birdV6: { state: "NotReady" } },
    bgp: { ...counts, peersV4: [peer], peersV6: [] },
    routes: { routesV4: [route], routesV6: [] },
  };
  const patch = `--patch=${JSON.stringify({ status })}`;
  await plane.kubectl(["patch", "caliconodestatus", "of-node-2", "--subresource=status", "--type=merge", patch]);
  const stored = await plane.kubectl(["get", "caliconodestatus", "of-node-2", "--output=json"]);
  expect(JSON.parse(stored).status).toEqual(status);
});

describe("a pool that is there", () => {
  beforeAll(async () => {
    await plane.kubectl(["create", "--filename=-"], objectOf("IPPool", { cidr: "10.1.0.0/16" }, "fixed"));
  });

  test.each([
    [{ blockSize: 27 }, "spec.blockSize", "blockSize cannot be changed; delete the pool and make a new one"],
    [{ cidr: "10.2.0.0/16" }, "spec.cidr", "cidr cannot be changed; delete the object and make a new one"],
    [{ vxlanMode: "Always", ipipMode: "Always" }, "spec.vxlanMode", "ipipMode and vxlanMode cannot both be in use"],
  ])("keeps what it was made with: %o", async (change, path, sentence) => {
    const said = await refusal(
      plane,
      ["patch", "ippool", "fixed", "--type=merge", `--patch=${JSON.stringify({ spec: change })}`],
      "",
    );
    expect(said).toContain(path);
    expect(said).toContain(sentence);
  });

  test("for Services stays one for Services", async () => {
    const spec = { cidr: "10.3.0.0/16", allowedUses: ["LoadBalancer"] };
    await plane.kubectl(["create", "--filename=-"], objectOf("IPPool", spec, "services"));
    const patch = `--patch=${JSON.stringify({ spec: { allowedUses: ["Workload"] } })}`;
    const said = await refusal(plane, ["patch", "ippool", "services", "--type=merge", patch], "");
    expect(said).toContain("spec.allowedUses");
    expect(said).toContain("allowedUses cannot be changed from LoadBalancer to another use");
  });

  test("may say its block size, which is the one it had", async () => {
    await plane.kubectl(["patch", "ippool", "fixed", "--type=merge", '--patch={"spec":{"blockSize":26}}']);
  });

  test("has its status written apart from its spec", async () => {
    const conditions = [
      {
        type: "Allocatable",
        status: "False",
        reason: "CIDROverlap",
        message: "it overlaps another pool",
        lastTransitionTime: "2026-01-02T03:04:05Z",
      },
    ];
    const patch = `--patch=${JSON.stringify({ status: { conditions } })}`;
    await plane.kubectl(["patch", "ippool", "fixed", "--subresource=status", "--type=merge", patch]);
    const read = await plane.kubectl(["get", "ippool", "fixed", "--output=jsonpath={.status.conditions[0].reason}"]);
    expect(read).toBe("CIDROverlap");
  });
});

test("a sequence number above 2^53 comes back digit for digit", async () => {
  const number = "1764000000000000001";
  const spec = { cidr: "10.9.0.0/30", allocations: [null, 0, null, null], unallocated: [0, 2, 3], attributes: [{}] };
  const text = objectOf("IPAMBlock", { ...spec, sequenceNumber: "NUMBER" }, "large").replace('"NUMBER"', number);
  await plane.kubectl(["create", "--filename=-"], text);
  const stored = await plane.kubectl(["get", "ipamblock", "large", "--output=jsonpath={.spec.sequenceNumber}"]);
  expect(stored).toBe(number);
  const json = { metadata: { name: "large" }, spec: { ...spec, sequenceNumber: BigInt(stored) } };
  expect(parseIpamBlock(json).spec.sequenceNumber).toBe(1764000000000000001n);
});
