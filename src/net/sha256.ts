/** SHA-256 for pure code: names that must be the same in every process. Not for secrets. */

/** The digest of `message` (FIPS 180-4), 32 bytes. */
export function sha256(message: Uint8Array): Uint8Array {
  const words = paddedWords(message);
  const state = Int32Array.from(initialState);
  const schedule = new Int32Array(64);
  for (let offset = 0; offset < words.length; offset += 16) {
    schedule.set(words.subarray(offset, offset + 16));
    compress(state, schedule);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (const [index, word] of state.entries()) digest.setInt32(index * 4, word);
  return new Uint8Array(digest.buffer);
}

/** The first `length` characters (at most 43) of the base64url SHA-256 of `text` in UTF-8. */
export function shortHash(text: string, length: number): string {
  const digest = sha256(new TextEncoder().encode(text));
  return btoa(String.fromCharCode(...digest))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .slice(0, length);
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

/** The message, a one bit, zeros, and its length in bits, as big-endian words in blocks of 16. */
function paddedWords(message: Uint8Array): Int32Array {
  const blocks = Math.ceil((message.length + 9) / 64);
  const words = new Int32Array(blocks * 16);
  const put = (index: number, byte: number) => {
    words[index >> 2] = (words[index >> 2] ?? 0) | (byte << (24 - (index & 3) * 8));
  };
  for (const [index, byte] of message.entries()) put(index, byte);
  put(message.length, 0x80);
  words[words.length - 2] = Math.floor(message.length / 0x20000000);
  words[words.length - 1] = message.length << 3;
  return words;
}

function compress(state: Int32Array, w: Int32Array): void {
  const at = (array: Int32Array, index: number) => array[index] as number;
  for (let t = 16; t < 64; t++) {
    const [x, y] = [at(w, t - 15), at(w, t - 2)];
    const s0 = rotate(x, 7) ^ rotate(x, 18) ^ (x >>> 3);
    const s1 = rotate(y, 17) ^ rotate(y, 19) ^ (y >>> 10);
    w[t] = at(w, t - 16) + s0 + at(w, t - 7) + s1;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t++) {
    const sum1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const t1 = (h + sum1 + ((e & f) ^ (~e & g)) + at(roundConstants, t) + at(w, t)) | 0;
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
  for (const [index, word] of [a, b, c, d, e, f, g, h].entries()) state[index] = at(state, index) + word;
}

function rotate(word: number, by: number): number {
  return (word >>> by) | (word << (32 - by));
}
