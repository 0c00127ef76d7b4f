import Handlebars from "handlebars";
import type { BirdConfig, FamilyConfig } from "../plan/bird-config.ts";
import { directTemplate } from "./direct.ts";
import { filtersTemplate } from "./filters.ts";
import { kernelTemplate } from "./kernel.ts";
import { peersTemplate } from "./peers.ts";
import { routerTemplate } from "./router.ts";
import { staticsTemplate } from "./statics.ts";
import { valuePrinters } from "./value-printers.ts";

/**
 * The configuration as BIRD 2 reads it. Equal values give equal text.
 * Throws when a value has not the form that its place asks for: nothing is ever escaped into shape.
 */
export function renderBird(config: BirdConfig): string {
  const families = config.families.flatMap((family) => {
    const values = familyValues(family, config.localAs);
    return familySections.map((print) => print(values));
  });
  return [...routerSections.map((print) => print(config)), ...families].join("\n");
}

// --- internal ---

const handlebars = Handlebars.create();
handlebars.registerHelper(valuePrinters);

const known = Object.fromEntries(Object.keys(valuePrinters).map((name) => [name, true]));
const routerSections = [routerTemplate, directTemplate].map(compile);
const familySections = [kernelTemplate, staticsTemplate, filtersTemplate, peersTemplate].map(compile);

function compile(template: string): (values: object) => string {
  // BIRD's text is not HTML; `strict` makes a name that is not there an error.
  const print = handlebars.compile<object>(template, {
    noEscape: true,
    strict: true,
    knownHelpersOnly: true,
    knownHelpers: known,
  });
  return (values) => print(values);
}

function familyValues(family: FamilyConfig, localAs: number): object {
  const sessions = family.sessions.map((session) => ({ ...session, internal: session.neighborAs === localAs }));
  return { ...family, localAs, sessions };
}
