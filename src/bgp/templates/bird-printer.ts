import Handlebars from "handlebars";
import { workloadInterfacePrefix } from "../../net/workload-interface-prefix.ts";
import type { BirdConfig, FamilyConfig, Session } from "../plan/bird-config.ts";
import { bfdTemplate } from "./bfd.ts";
import { bgpFilterTemplate } from "./bgp-filter.ts";
import { directTemplate } from "./direct.ts";
import { exportsTemplate } from "./exports.ts";
import { filterValues } from "./filter-values.ts";
import { importsTemplate } from "./imports.ts";
import { kernelTemplate } from "./kernel.ts";
import { peersTemplate, sessionTemplate } from "./peers.ts";
import { routerTemplate } from "./router.ts";
import { checkFilters, type SessionFamily, type SessionNode, sessionValues } from "./session-values.ts";
import { staticsTemplate } from "./statics.ts";
import { valuePrinters } from "./value-printers.ts";

/**
 * Prints configurations as BIRD 2 reads them: equal values give equal text. A session's text is printed anew only when its values
 * are other than the last time: of a thousand sessions mostly none is, and they are nearly all of the text.
 */
export class BirdPrinter {
  /** By the values that bear on it, as JSON; those of the last configuration. */
  #sessions: ReadonlyMap<string, string> = new Map();

  /** Throws when a value has not the form that its place asks for: nothing is ever escaped into shape. */
  print(config: BirdConfig): string {
    const bfd = config.families.some((family) => family.sessions.some((session) => session.bfd));
    const sessions = new Map<string, string>();
    const router = [printRouter(config), printDirect(config), printBfd({ bfd })];
    const families = config.families.flatMap((family) => [
      ...familySections(family, config),
      ...this.#printSessions(family, config, sessions),
    ]);
    this.#sessions = sessions;
    return [...router, ...families].filter((section) => section !== "").join("\n");
  }

  #printSessions(
    { version, address, sessions }: FamilyConfig,
    { localAs, bindsToNodeIp, filters }: BirdConfig,
    printed: Map<string, string>,
  ): readonly string[] {
    return sessions.map((session) => {
      checkFilters(session, { version }, { filters });
      const key = JSON.stringify([session, version, address, localAs, bindsToNodeIp]);
      const text = this.#sessions.get(key) ?? printSession(session, { version, address }, { localAs, bindsToNodeIp });
      printed.set(key, text);
      return text;
    });
  }
}

// --- internal ---

const handlebars = Handlebars.create();
handlebars.registerHelper(valuePrinters);

const known = Object.fromEntries(Object.keys(valuePrinters).map((name) => [name, true]));
const printRouter = compile(routerTemplate);
const printDirect = compile(directTemplate);
const printBfd = compile(bfdTemplate);
const printKernel = compile(kernelTemplate);
const printStatics = compile(staticsTemplate);
const printImports = compile(importsTemplate);
const printExports = compile(exportsTemplate);
const printFilter = compile(bgpFilterTemplate);
const printPeers = compile(peersTemplate);
const printOneSession = compile(sessionTemplate);

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

/** A function comes before what calls it. */
function familySections(family: FamilyConfig, config: BirdConfig): readonly string[] {
  const filters = config.filters.filter(({ version }) => version === family.version);
  const { localAs, bindsToNodeIp, listenPort } = config;
  return [
    printKernel({ ...family, podInterfaces: `${workloadInterfacePrefix}*` }),
    printStatics(family),
    printImports(family),
    printExports(family),
    ...filters.map((filter) => printFilter(filterValues(filter))),
    printPeers({ ...family, localAs, bindsToNodeIp, listenPort: listenPort === bgpPort ? undefined : listenPort }),
  ];
}

function printSession(session: Session, family: SessionFamily, node: SessionNode): string {
  return printOneSession(sessionValues(session, family, node));
}

const bgpPort = 179;
