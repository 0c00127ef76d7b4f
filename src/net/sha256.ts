/** SHA-256 for pure code: names that must be the same in every process. Not for secrets. */

/** The digest of `message` (FIPS 180-4), 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const state = digestWords(message, message.length);
  const digest = new DataView(new ArrayBuffer(32));
  for (let index = 0; index < 8; index++) digest.setInt32(index * 4, state[index] as number);
  return new Uint8Array(digest.buffer);
}

/** The first `length` characters (at most 43) of the base64url SHA-256 of `text` in UTF-8. */
export function shortHash(text: string, length: number): string {
  const state = digestOf(text);
  let hash = "";
  for (let bit = 0; hash.length < length; bit += 6) {
    const [word, offset] = [state[bit >> 5] as number, bit & 31];
    // Six bits, which may go on in the next word.
    const rest = offset > 26 ? (state[(bit >> 5) + 1] as number) >>> (58 - offset) : 0;
    const value = offset > 26 ? ((word << (offset - 26)) | rest) & 63 : (word >>> (26 - offset)) & 63;
    hash += base64url.charAt(value);
  }
  return hash;
}

// --- internal ---

const initialState = Int32Array.of(
  ...[0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19],
);

const roundConstants = makeRoundConstants();

/** The fractional parts of the cube roots of the first 64 primes. */
function makeRoundConstants(): Int32Array {
  const constants: number[] = [];
  for (let candidate = 2; constants.length < 64; candidate++) {
    if (isPrime(candidate)) constants.push(cubeRootFraction(BigInt(candidate)));
  }
  return Int32Array.from(constants);
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) if (candidate % divisor === 0) return false;
  return true;
}

/** The first 32 bits after the point of the cube root, in whole numbers: floating point is not exact enough. */
function cubeRootFraction(value: bigint): number {
  const scaled = value << 96n;
  let low = 0n;
  let high = 1n << 36n;
  while (high - low > 1n) {
    const middle = (low + high) >> 1n;
    if (middle * middle * middle <= scaled) low = middle;
    else high = middle;
  }
  return Number(low & 0xffffffffn);
}

const encoder = new TextEncoder();
const base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Reused, all three: a call runs to its end, and its words are read, before the next. */
const schedule = new Int32Array(64);
const words = new Int32Array(8);
const bytes = new Uint8Array(3 * 1024);

function digestOf(text: string): Int32Array {
  // A UTF-16 unit comes to three bytes at most.
  if (text.length * 3 > bytes.length) {
    const message = encoder.encode(text);
    return digestWords(message, message.length);
  }
  return digestWords(bytes, encoder.encodeInto(text, bytes).written);
}

/**
 * The digest of the first `length` bytes as eight big-endian words, which stand until the next call. It is worked out for every
 * rule that is printed, so plain loops are worth it.
 */
function digestWords(message: Uint8Array, length: number): Int32Array {
  words.set(initialState);
  const whole = length >> 6;
  for (let block = 0; block < whole; block++) {
    for (let index = 0, at = block * 64; index < 16; index++, at += 4) {
      schedule[index] =
        ((message[at] as number) << 24) |
        ((message[at + 1] as number) << 16) |
        ((message[at + 2] as number) << 8) |
        (message[at + 3] as number);
    }
    compress();
  }
  const rest = length - whole * 64;
  schedule.fill(0, 0, 16);
  for (let index = 0; index < rest; index++) put(index, message[whole * 64 + index] as number);
  finish(rest, length);
  return words;
}

/** What pads the last bytes, of which there are `rest`: a one bit, zeros, and in the last block the length of all in bits. */
function finish(rest: number, length: number): void {
  put(rest, 0x80);
  if (rest >= 56) {
    compress();
    schedule.fill(0, 0, 16);
  }
  schedule[14] = Math.floor(length / 0x20000000);
  schedule[15] = length << 3;
  compress();
}

function put(index: number, byte: number): void {
  schedule[index >> 2] = (schedule[index >> 2] as number) | (byte << (24 - (index & 3) * 8));
}

function compress(): void {
  const w = schedule;
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] as number;
    const y = w[t - 2] as number;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = (w[t - 16] as number) + s0 + (w[t - 7] as number) + s1;
  }
  let a = words[0] as number;
  let b = words[1] as number;
  let c = words[2] as number;
  let d = words[3] as number;
  let e = words[4] as number;
  let f = words[5] as number;
  let g = words[6] as number;
  let h = words[7] as number;
  for (let t = 0; t < 64; t++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + (roundConstants[t] as number) + (w[t] as number)) | 0;
    const sum0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const t2 = (sum0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g;
    g = f;
    f = e;
    e = (d + t1) | 0;
    d = c;
    c = b;
    b = a;
    a = (t1 + t2) | 0;
  }
  words[0] = (words[0] as number) + a;
  words[1] = (words[1] as number) + b;
  words[2] = (words[2] as number) + c;
  words[3] = (words[3] as number) + d;
  words[4] = (words[4] as number) + e;
  words[5] = (words[5] as number) + f;
  words[6] = (words[6] as number) + g;
  words[7] = (words[7] as number) + h;
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
