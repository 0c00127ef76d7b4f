import type { BgpPeerSpec } from "../../api/bgp-peer.ts";
import type { Secret } from "./bgp-inputs.ts";

/** What a session's password comes to. */
export interface AskedPassword {
  /** `NAME/KEY` of the Secret that it stands in; undefined: none is asked for, or it stands nowhere. */
  readonly secret: string | undefined;
  readonly text: string | undefined;
  /** Why the session must not come up: a password is asked for and there is none. */
  readonly held: string | undefined;
}

/** The password that `field` asks for. Whoever asks for one gets it or no session: never one without. */
export function passwordOf(field: BgpPeerSpec["password"], secrets: ReadonlyMap<string, Secret>): AskedPassword {
  if (field === undefined) return { secret: undefined, text: undefined, held: undefined };
  const { name = "", key = "" } = field.secretKeyRef ?? {};
  if (!isSecretName(name) || !isSecretKey(key)) {
    const held = `its password stands nowhere: secretKeyRef must name a Secret and a key of it, and says ${JSON.stringify({ name, key })}`;
    return { secret: undefined, text: undefined, held };
  }
  const secret = `${name}/${key}`;
  const found = secrets.get(secret);
  if (found === undefined) return { secret, text: undefined, held: `Secret ${name} has not been read yet` };
  return "text" in found
    ? { secret, text: found.text, held: undefined }
    : { secret, text: undefined, held: found.missing };
}

/**
 * A Secret's value as a password, or why it is none. BIRD's configuration knows no escape inside quotes, and the kernel takes 80
 * characters (TCP_MD5SIG_MAXKEYLEN). The reason says nothing of the value but where it is wrong.
 */
export function readPassword(value: Uint8Array, secret: string): Secret {
  const missing = faultOf(value);
  return missing === undefined
    ? { text: String.fromCharCode(...value) }
    : { missing: `Cannot use Secret ${secret} as a password: ${missing}` };
}

// --- internal ---

const longestPassword = 80;

function faultOf(value: Uint8Array): string | undefined {
  if (value.length === 0) return "it is empty";
  const at = value.findIndex((byte) => byte < 0x20 || byte > 0x7e || byte === 0x22);
  if (at === value.length - 1 && (value[at] === 0x0a || value[at] === 0x0d)) {
    return "it ends with a line break, which belongs to the file that it was made from";
  }
  if (at >= 0) return `character ${at + 1} is none of printable ASCII without the double quote`;
  if (value.length > longestPassword) return `it has ${value.length} characters; ${longestPassword} are the most`;
  return undefined;
}

/** RFC 1123 subdomain: nothing else can be the name of a Secret, or be asked for. */
function isSecretName(text: string): boolean {
  return text.length <= 253 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/.test(text);
}

function isSecretKey(text: string): boolean {
  return /^[-._a-zA-Z0-9]{1,253}$/.test(text);
}
