import { attribute, nestedAttribute, parseAttributes, textAttribute, textOf } from "./attribute.ts";
import { filterAttribute, qdiscAttribute, tcParent } from "./constants.ts";
import { TC_HEADER_BYTES, tcHeader } from "./qdisc-codec.ts";
import type { Filter } from "./traffic-control.ts";

/** Body of a request for the filters of a link's ingress qdisc. */
export function encodeFilterQuery(linkIndex: number): Buffer {
  return tcHeader({ linkIndex, parent: tcParent.ingressHandle });
}

/** Body of a filter that redirects every packet of a link's ingress to be sent on another link (tc-u32(8), tc-mirred(8)). */
export function encodeRedirect(linkIndex: number, toLinkIndex: number): Buffer {
  return Buffer.concat([
    tcHeader({ linkIndex, parent: tcParent.ingressHandle, info: (PRIORITY << 16) | ALL_PROTOCOLS }),
    textAttribute(qdiscAttribute.kind, "u32"),
    nestedAttribute(
      qdiscAttribute.options,
      attribute(filterAttribute.selector, everything()),
      nestedAttribute(
        filterAttribute.actions,
        nestedAttribute(
          1,
          textAttribute(filterAttribute.actionKind, "mirred"),
          nestedAttribute(
            filterAttribute.actionOptions,
            attribute(filterAttribute.mirredParameters, redirect(toLinkIndex)),
          ),
        ),
      ),
    ),
  ]);
}

/**
 * The filter in a message, or undefined for the hash tables of u32, which the kernel lists as filters too and which do
 * nothing.
 */
export function decodeFilter(payload: Buffer): Filter | undefined {
  const attributes = parseAttributes(payload.subarray(TC_HEADER_BYTES));
  const kind = textOf(attributes, qdiscAttribute.kind) ?? "";
  const options = parseAttributes(attributes.get(qdiscAttribute.options) ?? Buffer.alloc(0));
  if (kind === "u32" && !options.has(filterAttribute.selector)) return undefined;
  const actions = kind === "u32" ? options.get(filterAttribute.actions) : undefined;
  const targets = [...parseAttributes(actions ?? Buffer.alloc(0)).values()].flatMap((action) => targetOf(action) ?? []);
  return { kind, redirectsTo: targets[0] };
}

// --- internal ---

const PRIORITY = 1;
/** ETH_P_ALL in network order. */
const ALL_PROTOCOLS = 0x0300;
/** Bytes of `struct tc_u32_sel` and of the one `struct tc_u32_key` after it. */
const [SELECTOR_BYTES, KEY_BYTES] = [16, 16];
/** TC_U32_TERMINAL: what matches is done with. */
const TERMINAL = 1;
/** Bytes of `struct tc_mirred`. */
const MIRRED_BYTES = 28;
/** TC_ACT_STOLEN and TCA_EGRESS_REDIR. */
const [STOLEN, EGRESS_REDIRECT] = [4, 1];

/** One key whose mask is empty. */
function everything(): Buffer {
  const selector = Buffer.alloc(SELECTOR_BYTES + KEY_BYTES);
  selector.writeUInt8(TERMINAL, 0);
  selector.writeUInt8(1, 2);
  return selector;
}

function redirect(toLinkIndex: number): Buffer {
  const parameters = Buffer.alloc(MIRRED_BYTES);
  parameters.writeInt32LE(STOLEN, 8);
  parameters.writeInt32LE(EGRESS_REDIRECT, 20);
  parameters.writeUInt32LE(toLinkIndex, 24);
  return parameters;
}

function targetOf(action: Buffer): number | undefined {
  const attributes = parseAttributes(action);
  if (textOf(attributes, filterAttribute.actionKind) !== "mirred") return undefined;
  const options = parseAttributes(attributes.get(filterAttribute.actionOptions) ?? Buffer.alloc(0));
  const parameters = options.get(filterAttribute.mirredParameters);
  if (parameters === undefined || parameters.length < MIRRED_BYTES) return undefined;
  return parameters.readInt32LE(20) === EGRESS_REDIRECT ? parameters.readUInt32LE(24) : undefined;
}
