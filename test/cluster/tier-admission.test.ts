import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ControlPlane, startControlPlane } from "../../lab/control-plane.ts";
import { waitFor } from "../../lab/wait.ts";
import { builtInTiers } from "../../src/api/built-in-tiers.ts";
import { refusal } from "./refusal.ts";

const root = resolve(import.meta.dirname, "../..");

let plane: ControlPlane;

const plurals: Readonly<Record<string, string>> = {
  NetworkPolicy: "networkpolicies",
  GlobalNetworkPolicy: "globalnetworkpolicies",
  StagedNetworkPolicy: "stagednetworkpolicies",
  StagedGlobalNetworkPolicy: "stagedglobalnetworkpolicies",
};
const tiered = Object.values(plurals).map((plural) => `tier.${plural}`);
const rule = (resources: readonly string[], verbs: readonly string[], ...resourceNames: readonly string[]) => ({
  ...{ apiGroups: ["projectcalico.org"], resources, verbs },
  ...(resourceNames.length === 0 ? {} : { resourceNames }),
});
const tiers = (verbs: readonly string[], ...names: readonly string[]) => rule(["tiers"], verbs, ...names);

/** What each user may do on `projectcalico.org` beside the verbs on the policies themselves, which all of them have. */
const users: Readonly<Record<string, readonly object[]>> = {
  nothing: [],
  "sees-tiers": [tiers(["get"])],
  "no-tier": [rule(tiered, ["*"])],
  "whole-tier": [tiers(["get"], "security"), rule(tiered, ["create", "update", "delete"], "security.*")],
  "one-policy": [tiers(["get"], "security"), rule(tiered, ["create", "update", "delete"], "security.web")],
  "by-name": [tiers(["get"], "security"), rule(tiered, ["create", "update", "delete"], "web")],
  "only-creates": [tiers(["get"]), rule(tiered, ["create"])],
  "only-np": [tiers(["get"]), rule(["tier.networkpolicies"], ["*"])],
  "both-tiers": [tiers(["get"]), rule(tiered, ["update"], "security.*", "default.*")],
  "another-tiers-web": [tiers(["get"]), rule(tiered, ["*"], "default.web")],
  "default-tier": [tiers(["get"], "default"), rule(tiered, ["*"], "default.*")],
};

beforeAll(async () => {
  plane = await startControlPlane({ folder: await mkdtemp(join(tmpdir(), "margay-tiers-")), components: "api" });
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/crds`]);
  await plane.kubectl(["wait", "--for=condition=Established", "--timeout=60s", "--all", "crd"]);
  await plane.kubectl(["apply", "--server-side", `--filename=${root}/manifests/admission.yaml`]);
  await plane.kubectl(["create", "--filename=-"], JSON.stringify(listOf(Object.entries(users).flatMap(accessOf))));
  await plane.kubectl(["create", "namespace", "shop"]);
  const all = [...builtInTiers, ["security", { order: 100, defaultAction: "Deny" }] as const];
  await plane.kubectl(["create", "--filename=-"], JSON.stringify(listOf(all.map(([name, spec]) => tier(name, spec)))));
  // A policy in force for one user is in force for all.
  await waitFor("the admission policies to be in force", { timeoutMs: 60_000 }, async () => {
    const said = await plane.kubectl(dryRun("nothing"), policy("NetworkPolicy", "security")).catch(String);
    const kept = await plane.kubectl(["delete", "tier", "default", "--dry-run=server"]).catch(String);
    const label = await plane
      .kubectl(["create", "--dry-run=server", "--filename=-"], labelled("NetworkSet"))
      .catch(String);
    return said.includes("you may not") && kept.includes("built-in tier") && label.includes("may not carry");
  });
}, 180_000);

afterAll(async () => {
  await plane?.stop();
});

describe.each(["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"])(
  "a %s",
  (kind) => {
    test.each(["whole-tier", "one-policy", "by-name", "only-creates"])("is made in its tier by %s", async (user) => {
      expect(await plane.kubectl(dryRun(user), policy(kind, "security"))).toContain("created");
    });

    test.each(["nothing", "sees-tiers", "no-tier", "default-tier"])("is not made in a tier by %s", async (user) => {
      expect(await refusal(plane, dryRun(user), policy(kind, "security"))).toContain(
        `you may not create policy web in tier security: it takes get on that tier, and create on tier.${plurals[kind]} ` +
          "by the name security.*, security.web or web",
      );
    });

    test("is one of the resource that the rights are for", async () => {
      const made = plane.kubectl(dryRun("only-np"), policy(kind, "security"));
      if (kind === "NetworkPolicy") expect(await made).toContain("created");
      else await expect(made).rejects.toThrow(`create on tier.${plurals[kind]}`);
    });

    test("of another name is not made with the rights for one", async () => {
      for (const user of ["one-policy", "by-name"]) {
        expect(await refusal(plane, dryRun(user), policy(kind, "security", "api"))).toContain(
          "policy api in tier security",
        );
      }
    });

    test("is not called into a tier by the name of a policy in another", async () => {
      const user = "another-tiers-web";
      expect(await plane.kubectl(dryRun(user), policy(kind, "default", "web"))).toContain("created");
      expect(await plane.kubectl(dryRun(user), policy(kind, "default", "default.web"))).toContain("created");
      expect(await refusal(plane, dryRun(user), policy(kind, "security", "default.web"))).toContain(
        "you may not create policy default.web in tier security",
      );
    });

    test("without a tier is in the tier default", async () => {
      expect(await plane.kubectl(dryRun("default-tier"), policy(kind, undefined))).toContain("created");
      expect(await refusal(plane, dryRun("whole-tier"), policy(kind, undefined))).toContain("in tier default");
    });

    describe("that is there", () => {
      const plural = plurals[kind] ?? "";
      const here = [`${plural}.projectcalico.org`, "--namespace=shop"];
      const change = (user: string, spec: object) => [
        ...["patch", ...here, "web", "--type=merge", `--patch=${JSON.stringify({ spec })}`, `--as=${user}`],
        "--dry-run=server",
      ];

      beforeAll(async () => {
        for (const [name, tier] of [
          ["web", "security"],
          ["api", "security"],
          ["other", "default"],
        ] as const) {
          await plane.kubectl(["create", "--filename=-"], policy(kind, tier, name));
        }
      });

      test("is changed and deleted by whom its tier is open to", async () => {
        for (const user of ["whole-tier", "one-policy", "by-name"]) {
          expect(await plane.kubectl(change(user, { order: 7 }))).toContain("patched");
          expect(await plane.kubectl(["delete", ...here, "web", `--as=${user}`, "--dry-run=server"])).toContain(
            "deleted",
          );
        }
      });

      test("is neither by anybody else", async () => {
        for (const user of ["nothing", "only-creates", "default-tier"]) {
          expect(await refusal(plane, change(user, { order: 7 }), "")).toContain(
            "you may not update policy web in tier",
          );
          const argv = ["delete", ...here, "web", `--as=${user}`, "--dry-run=server"];
          expect(await refusal(plane, argv, "")).toContain("you may not delete policy web in tier security");
        }
      });

      test("is replaced only by whom its tier is open to", async () => {
        const argv = (user: string) => ["replace", "--filename=-", `--as=${user}`, "--dry-run=server"];
        expect(await plane.kubectl(argv("whole-tier"), policy(kind, "security"))).toContain("replaced");
        expect(await refusal(plane, argv("only-creates"), policy(kind, "security"))).toContain("you may not update");
      });

      test("changes its tier with the rights for both", async () => {
        const toDefault = { tier: "default" };
        expect(await plane.kubectl(change("both-tiers", toDefault))).toContain("patched");
        expect(await refusal(plane, change("whole-tier", toDefault), "")).toContain(
          "update policy web in tier default",
        );
        expect(await refusal(plane, change("default-tier", toDefault), "")).toContain(
          "take policy web out of tier security",
        );
      });

      test("is deleted with others only as far as the rights go", async () => {
        const all = (user: string) => ["delete", "--raw", collection(plural), `--as=${user}`];
        expect(await refusal(plane, all("default-tier"), "")).toContain("you may not delete policy");
        const left = await plane.kubectl(["get", ...here, "--output=name"]);
        expect(left).toContain("/web");
        expect(left).toContain("/api");
        expect(await refusal(plane, all("only-creates"), "")).toContain("you may not delete policy");
        await plane.kubectl(["delete", ...here, "other", "--ignore-not-found"]);
        await plane.kubectl(all("whole-tier"));
        expect(await plane.kubectl(["get", ...here, "--output=name"])).toBe("");
      });
    });
  },
);

test("a StagedKubernetesNetworkPolicy needs the right to itself alone", async () => {
  expect(await plane.kubectl(dryRun("nothing"), policy("StagedKubernetesNetworkPolicy", undefined))).toContain(
    "created",
  );
});

test("policies of a namespace that is going are taken away with the rights that Kubernetes' own controllers have", async () => {
  await plane.kubectl(["create", "--filename=-"], policy("NetworkPolicy", "security", "last"));
  const account = "system:serviceaccount:kube-system:namespace-controller";
  await plane.kubectl(["delete", "--raw", collection("networkpolicies"), `--as=${account}`]);
  const here = ["networkpolicies.projectcalico.org", "--namespace=shop"];
  expect(await plane.kubectl(["get", ...here, "--output=name"])).toBe("");
});

describe("a built-in tier", () => {
  test.each([...builtInTiers.keys()])("%s cannot be deleted, by name or with all others", async (name) => {
    expect(await refusal(plane, ["delete", "tier", name], "")).toContain(`The built-in tier ${name} cannot be deleted`);
    expect(await refusal(plane, ["delete", "--raw", "/apis/projectcalico.org/v3/tiers"], "")).toContain(
      "cannot be deleted",
    );
    expect(await plane.kubectl(["get", "tier", name, "--output=name"])).toContain(name);
  });

  test.each([...builtInTiers])("%s keeps its order and default action", async (name, { defaultAction }) => {
    const patch = (spec: object) => ["patch", "tier", name, "--type=merge", `--patch=${JSON.stringify({ spec })}`];
    const other = defaultAction === "Deny" ? "Pass" : "Deny";
    for (const spec of [{ order: 7 }, { order: null }, { defaultAction: other }, { defaultAction: null, order: 1 }]) {
      expect(await refusal(plane, patch(spec), "")).toContain("cannot be changed");
    }
    await plane.kubectl(["label", "tier", name, "a=b", "--overwrite"]);
  });

  test("is not every tier", async () => {
    await plane.kubectl(["create", "--filename=-"], JSON.stringify(tier("passing", { order: 5 })));
    await plane.kubectl(["patch", "tier", "passing", "--type=merge", '--patch={"spec":{"order":6}}']);
    await plane.kubectl(["delete", "tier", "passing"]);
  });
});

test.each(["NetworkSet", "GlobalNetworkSet"])("a %s claims no namespace by a label", async (kind) => {
  const argv = ["create", "--dry-run=server", "--filename=-"];
  expect(await refusal(plane, argv, labelled(kind))).toContain("may not carry the label projectcalico.org/namespace");
  expect(await plane.kubectl(argv, labelled(kind, "role"))).toContain("created");
});

// --- internal ---

function listOf(items: readonly object[]): object {
  return { apiVersion: "v1", kind: "List", items };
}

function tier(name: string, spec: object): object {
  return { apiVersion: "projectcalico.org/v3", kind: "Tier", metadata: { name }, spec };
}

function policy(kind: string, tier: string | undefined, name = "web"): string {
  const metadata = { name, ...(kind.includes("Global") ? {} : { namespace: "shop" }) };
  return JSON.stringify({
    apiVersion: "projectcalico.org/v3",
    kind,
    metadata,
    spec: tier === undefined ? {} : { tier },
  });
}

function labelled(kind: string, label = "projectcalico.org/namespace"): string {
  const metadata = {
    name: "one",
    labels: { [label]: "shop" },
    ...(kind === "NetworkSet" ? { namespace: "shop" } : {}),
  };
  return JSON.stringify({ apiVersion: "projectcalico.org/v3", kind, metadata, spec: {} });
}

function dryRun(user: string): readonly string[] {
  return ["create", "--filename=-", `--as=${user}`, "--dry-run=server"];
}

function collection(plural: string): string {
  const place = plural.includes("global") ? "" : "namespaces/shop/";
  return `/apis/projectcalico.org/v3/${place}${plural}`;
}

function accessOf([user, rules]: readonly [user: string, rules: readonly object[]]): readonly object[] {
  const policies = rule([...Object.values(plurals), "stagedkubernetesnetworkpolicies"], ["*"]);
  const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: user } };
  const apiGroup = "rbac.authorization.k8s.io";
  return [
    { ...rbac, kind: "ClusterRole", rules: [policies, ...rules] },
    {
      ...{ ...rbac, kind: "ClusterRoleBinding", roleRef: { apiGroup, kind: "ClusterRole", name: user } },
      subjects: [{ apiGroup, kind: "User", name: user }],
    },
  ];
}
