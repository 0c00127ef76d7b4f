/** SHA-256 for pure code: names that must be the same in every process. Not for secrets. */

/** The digest of `message` (FIPS 180-4), 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const state = digestWords(message);
  const digest = new DataView(new ArrayBuffer(32));
  for (let index = 0; index < 8; index++) digest.setInt32(index * 4, state[index] as number);
  return new Uint8Array(digest.buffer);
}

/** The first `length` characters (at most 43) of the base64url SHA-256 of `text` in UTF-8. */
export function shortHash(text: string, length: number): string {
  const state = digestWords(encoder.encode(text));
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

const initialState = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];

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

/** Reused: a call runs to its end before the next. */
const schedule = new Int32Array(64);

/** The digest as eight big-endian words. It is worked out for every rule that is printed, so plain loops are worth it. */
function digestWords(message: Uint8Array): Int32Array {
  const state = Int32Array.from(initialState);
  const blocks = Math.ceil((message.length + 9) / 64);
  for (let block = 0; block < blocks; block++) {
    readBlock(message, block, block === blocks - 1);
    compress(state);
  }
  return state;
}

/** Puts one block of the message into the schedule, with what pads it: a one bit, zeros, and at last its length in bits. */
function readBlock(message: Uint8Array, block: number, isLast: boolean): void {
  schedule.fill(0, 0, 16);
  const start = block * 64;
  const end = Math.min(message.length - start, 64);
  for (let index = 0; index < end; index++) put(index, message[start + index] as number);
  if (end >= 0 && end < 64) put(end, 0x80);
  if (!isLast) return;
  schedule[14] = Math.floor(message.length / 0x20000000);
  schedule[15] = message.length << 3;
}

function put(index: number, byte: number): void {
  schedule[index >> 2] = (schedule[index >> 2] as number) | (byte << (24 - (index & 3) * 8));
}

function compress(state: Int32Array): void {
  const w = schedule;
  for (let t = 16; t < 64; t++) {
    const x = w[t - 15] as number;
    const y = w[t - 2] as number;
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = (w[t - 16] as number) + s0 + (w[t - 7] as number) + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
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
  const sums = [a, b, c, d, e, f, g, h];
  for (let index = 0; index < 8; index++) state[index] = (state[index] as number) + (sums[index] as number);
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
