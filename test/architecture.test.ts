import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { expect, test } from "vitest";

/**
 * Who may import whom (docs/DESIGN.md). A folder not named here may import anything below src/, but of another wiring
 * folder only what `doors` names.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  "src/net": [],
  "src/reconcile": [],
  "src/api": ["src/net"],
  "src/ipam": ["src/net", "src/api"],
  "src/felix/calc": ["src/net", "src/api"],
  "src/felix/config": ["src/net", "src/api"],
  "src/bgp/plan": ["src/net", "src/api"],
  "src/bgp/simulate": ["src/net", "src/api", "src/bgp/plan"],
  "src/felix/render": ["src/felix/calc", "src/net"],
  "src/host": ["src/net"],
  "src/kube": ["src/net", "src/api", "src/ipam"],
  "src/felix/dataplane": ["src/net", "src/reconcile", "src/felix/render", "src/host"],
  "src/bgp/why": ["src/net", "src/api", "src/bgp/plan"],
  "src/bgp/templates": ["src/net", "src/bgp/plan"],
  "src/bgp/bird": ["src/net", "src/bgp/plan", "src/host"],
};

/** Importer → the folder that it may know by its types only. */
const typesOnly: Readonly<Record<string, string>> = {
  "src/felix/render": "src/felix/calc",
  "src/felix/dataplane": "src/felix/render",
  "src/bgp/templates": "src/bgp/plan",
  "src/bgp/bird": "src/bgp/plan",
};

/** Pure folders: no Node module at all. */
const pure = [
  "src/net",
  "src/reconcile",
  "src/api",
  "src/ipam",
  "src/felix/calc",
  "src/felix/render",
  "src/felix/config",
  "src/bgp/plan",
  "src/bgp/simulate",
  "src/bgp/templates",
  "src/bgp/why",
];

/** Between wiring folders: importer → files of the other that it may use. */
const doors: Readonly<Record<string, readonly string[]>> = {
  "src/agent": [
    "src/cni/address-reserve.ts",
    "src/cni/server.ts",
    "src/cni/dependencies.ts",
    "src/cni/attachments.ts",
    "src/cni/leases.ts",
  ],
  "src/cli": [
    "src/agent/run-agent.ts",
    "src/agent/teardown/run-teardown.ts",
    "src/controllers/run-controllers.ts",
    "src/cni/install/install-cni.ts",
    "src/cni/install/settings.ts",
    "src/cni/install/uninstall-cni.ts",
    "lab/main.ts",
  ],
  "src/controllers": [],
  "src/cni": [],
  lab: ["src/cni/build-shim.ts"],
};

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

const root = join(import.meta.dirname, "..");

test("every import keeps to the table", () => {
  const breaches = imports().filter((one) => breaks(one));
  expect(breaches.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("pure folders use no Node module", () => {
  const breaches = imports().filter(
    ({ from, to }) => to.startsWith("node:") && pure.some((folder) => isIn(from, folder)),
  );
  expect(breaches.map(({ from, to }) => `${from} imports ${to}`)).toEqual([]);
});

test("the table names folders that exist", () => {
  const files = sources();
  for (const folder of Object.keys(allowed))
    expect(
      files.filter((file) => isIn(file, folder)),
      folder,
    ).not.toEqual([]);
});

test("files stay within 300 lines", () => {
  const long = sources()
    .map((file) => ({ file, lines: readFileSync(join(root, file), "utf8").split("\n").length - 1 }))
    .filter(({ lines }) => lines > 300);
  expect(long).toEqual([]);
});

// --- internal ---

function breaks({ from, to, typeOnly }: Import): boolean {
  const folder = layerOf(from);
  const target = layerOf(to);
  if (target === undefined || target === folder) return false;
  const rules = allowed[folder ?? ""];
  if (rules !== undefined) return !rules.includes(target) || (typesOnly[folder ?? ""] === target && !typeOnly);
  return folder !== undefined && target in doors && !(doors[folder] ?? []).includes(to);
}

/** The folder of the table, or of the wiring, that a file belongs to. */
function layerOf(file: string): string | undefined {
  return [...Object.keys(allowed), ...Object.keys(doors)].find((folder) => isIn(file, folder));
}

function isIn(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`);
}

function sources(): string[] {
  return ["src", "lab", "bench", "crds"].flatMap((top) =>
    readdirSync(join(root, top), { recursive: true, encoding: "utf8" })
      .filter((file) => file.endsWith(".ts"))
      .map((file) => join(top, file)),
  );
}

function imports(): Import[] {
  const statement =
    /^\s*(?:import|export)\s+(type\s)?[^"';]*?from\s+"([^"]+)"|import\(\s*"([^"]+)"\s*\)|^\s*import\s+"([^"]+)"/gm;
  return sources().flatMap((from) =>
    [...readFileSync(join(root, from), "utf8").matchAll(statement)].map((match) => {
      const specifier = match[2] ?? match[3] ?? match[4] ?? "";
      const to = specifier.startsWith(".") ? relative(root, join(root, dirname(from), specifier)) : specifier;
      return { from, to, typeOnly: match[1] !== undefined };
    }),
  );
}
