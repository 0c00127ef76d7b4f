import { expect, test } from "vitest";
import { parseSelector } from "../../../../src/api/selector/parse-selector.ts";
import { selectorMatches } from "../../../../src/api/selector/selector-matches.ts";

const many = Array.from({ length: 50 }, (_, number) => `'v${number}'`).join(", ");
const labels = { app: "web-front", tier: "", in: "x" };

test.each([
  "",
  "all()",
  "global()",
  "app == 'web-front'",
  "app != 'web'",
  "gone != 'x'",
  "tier == ''",
  "app in {'db', 'web-front'}",
  "app not in {'db'}",
  `app in {${many}, 'web-front'}`,
  `app not in {${many}}`,
  `gone not in {${many}}`,
  "gone not in {'db'}",
  "gone not in {}",
  "app contains 'b-f'",
  "app starts with 'web'",
  "app ends with 'front'",
  "tier contains ''",
  "has(tier)",
  "in == 'x'",
  "!has(gone)",
  "has(gone) || has(app) && has(tier)",
  "!(has(gone) && has(app))",
])("%j selects the labels", (text) => {
  expect(selectorMatches(parseSelector(text), labels)).toBe(true);
});

test.each([
  "!all()",
  "app == 'web'",
  "app == 'Web-Front'",
  "app != 'web-front'",
  "gone == ''",
  "app in {}",
  "gone in {''}",
  "app not in {'web-front'}",
  `app in {${many}}`,
  `gone in {${many}}`,
  `app not in {'web-front', ${many}}`,
  "gone contains ''",
  "gone starts with ''",
  "gone ends with ''",
  "app starts with 'front'",
  "app ends with 'web'",
  "app contains 'x'",
  "has(gone)",
  "has(constructor)",
  "constructor contains ''",
  "has(app) && has(gone)",
  "(has(gone) || has(app)) && has(other)",
])("%j does not select the labels", (text) => {
  expect(selectorMatches(parseSelector(text), labels)).toBe(false);
});
