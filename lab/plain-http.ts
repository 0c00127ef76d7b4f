import http from "node:http";
import type { Plugin } from "rolldown";

/**
 * For a bundle: `import … from "node:http"` without what it has of undici, which nobody here uses. An `import` of a built-in module
 * asks for all that it exports, and has Node load a second HTTP client for `WebSocket` and its events: 14 MB and 45 ms of each
 * start. Whoever imports one of those, or another export that is a getter, is told when the bundle is made.
 */
export const plainHttp: Plugin = {
  name: "plain-http",
  resolveId: (id, _importer, { kind }) =>
    /^(node:)?http$/.test(id) && kind === "import-statement" ? { id: moduleId, moduleSideEffects: false } : undefined,
  load: (id) => (id === moduleId ? moduleText() : undefined),
};

// --- internal ---

/** Rolldown's convention for what is in no file: other plugins leave it alone. */
const moduleId = "\0plain-http";

function moduleText(): string {
  const properties = Object.entries(Object.getOwnPropertyDescriptors(http));
  const names = properties.flatMap(([name, { get }]) => (get === undefined ? [name] : []));
  return [
    'const http = process.getBuiltinModule("node:http");',
    "export default http;",
    `export const { ${names.join(", ")} } = http;`,
  ].join("\n");
}
