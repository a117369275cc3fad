/**
 * Counter-based pseudo-random numbers: every draw is a pure function of (seed, stream, counter), so that a resumed
 * run, or another worker, draws exactly what an uninterrupted one would have drawn.
 *
 * The generator is Philox 2x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011), whose
 * known-answer vectors the tests check.
 */
const PHILOX_MULTIPLIER = 0xd256d193;
const PHILOX_WEYL = 0x9e3779b9;
const ROUNDS = 10;

/** One Philox 2x32-10 block: two 32-bit counters and a 32-bit key to two unsigned 32-bit words. */
export function philox2x32(counter0: number, counter1: number, key: number): [number, number] {
  let x0 = counter0 >>> 0;
  let x1 = counter1 >>> 0;
  let k = key >>> 0;
  for (let round = 0; round < ROUNDS; round++) {
    const low = Math.imul(PHILOX_MULTIPLIER, x0) >>> 0;
    const high = multiplyHigh(PHILOX_MULTIPLIER, x0);
    x0 = (high ^ k ^ x1) >>> 0;
    x1 = low;
    k = (k + PHILOX_WEYL) >>> 0;
  }
  return [x0, x1];
}

/** The upper 32 bits of an unsigned 32 x 32 product, by halves, since a double holds only 53 bits. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const carry = aLow * bHigh + (middle % 0x10000);
  return (aHigh * bHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}

/** FNV-1a over UTF-16 units: a stable 32-bit number for a stream's name. */
function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A reproducible stream of draws. Two streams of one seed with different names are independent. */
export class Random {
  readonly seed: number;
  readonly #stream: number;
  #counter: number;
  #spare: number | undefined;

  /**
   * @param seed any safe integer
   * @param stream what the draws are for, such as `shuffle/epoch-3`
   * @param counter where in the stream to start; restore it from {@link position} to resume
   */
  constructor(seed: number, stream = '', counter = 0) {
    this.seed = seed;
    // The upper half of large seeds joins the stream, so that seeds 1 and 2^32 + 1 differ.
    this.#stream = (hashName(stream) ^ Math.imul(Math.floor(seed / 2 ** 32), PHILOX_WEYL)) >>> 0;
    this.#counter = counter;
  }

  /** The number of 64-bit blocks drawn so far. */
  get position(): number {
    return this.#counter;
  }

  /** An independent stream of the same seed. */
  fork(stream: string): Random {
    return new Random(this.seed, `${String(this.#stream)}/${stream}`);
  }

  /** Uniform over the unsigned 32-bit integers. */
  nextUint32(): number {
    return this.#block()[0];
  }

  /** Uniform over [0, 1), with 53 random bits. */
  nextFloat(): number {
    const [a, b] = this.#block();
    return ((a >>> 5) * 67108864 + (b >>> 6)) / 9007199254740992;
  }

  /** Uniform over the integers 0 to `bound` - 1, without modulo bias (rejection). */
  nextInteger(bound: number): number {
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const draw = this.nextUint32();
      if (draw < limit) return draw % bound;
    }
  }

  /** Standard normal (Box-Muller). */
  nextNormal(): number {
    if (this.#spare !== undefined) {
      const spare = this.#spare;
      this.#spare = undefined;
      return spare;
    }
    const radius = Math.sqrt(-2 * Math.log(1 - this.nextFloat()));
    const angle = 2 * Math.PI * this.nextFloat();
    this.#spare = radius * Math.sin(angle);
    return radius * Math.cos(angle);
  }

  /** Fisher-Yates, in place; returns its argument. */
  shuffle<T extends { [index: number]: unknown; length: number }>(items: T): T {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.nextInteger(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }

  #block(): [number, number] {
    const counter = this.#counter++;
    return philox2x32(counter >>> 0, (Math.floor(counter / 2 ** 32) ^ this.#stream) >>> 0, this.seed >>> 0);
  }
}
