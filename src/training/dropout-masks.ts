/**
 * The bytes of dropout masks, a pure function of (seed, step, site).
 *
 * Instead of deciding every number by itself, the gaps between dropped ones are drawn: with rate 0.1 that takes a tenth
 * of the draws. A gap of k has probability rate (1 - rate)^k; it is read from a table of the inverse distribution by 16
 * random bits. The bits come from AES-128 in counter mode, which processors have instructions for.
 */
import { createCipheriv } from 'node:crypto';
import type { DropoutSite } from '../nn/index.ts';
import type { HostTensor } from '../runtime/index.ts';
import { evaluateDim } from '../graph/index.ts';

const TABLE_SIZE = 2 ** 16;
/** 32,768 draws at a time. */
const BLOCK = new Uint8Array(2 ** 16);

export class DropoutMasks {
  readonly #sites: readonly DropoutSite[];
  readonly #seed: number;
  readonly #buffers = new Map<string, Uint8Array>();
  readonly #tables = new Map<number, Uint32Array>();

  constructor(sites: readonly DropoutSite[], seed: number) {
    this.#sites = sites;
    this.#seed = seed;
  }

  /**
   * Masks for all sites. They share memory with those of the call before.
   *
   * @param step the number of the batch in the run, which decides the masks
   * @param sizes the batch's sizes for the letters of the sites' shapes
   */
  draw(step: number, sizes: ReadonlyMap<string, number>): Record<string, HostTensor> {
    const masks: Record<string, HostTensor> = {};
    this.#sites.forEach(({ name, shape, rate }, index) => {
      const fixed = shape.map((dim) => evaluateDim(dim, sizes));
      const mask = this.#buffer(
        name,
        fixed.reduce((a, b) => a * b, 1),
      );
      this.#fill(mask, rate, step, index);
      masks[name] = { data: mask, shape: fixed };
    });
    return masks;
  }

  #fill(mask: Uint8Array, rate: number, step: number, site: number): void {
    const gaps = this.#gapTable(rate);
    const cipher = createCipheriv('aes-128-ctr', keyOf(this.#seed), counterOf(step, site));
    mask.fill(1);
    let position = -1;
    while (position < mask.length) {
      const bytes = cipher.update(BLOCK);
      const draws = new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.length / 2);
      for (let i = 0; i < draws.length && position < mask.length; i++) {
        position += 1 + gaps[draws[i]!]!;
        // Writes beyond the end are ignored by typed arrays; the loop then stops.
        mask[position] = 0;
      }
    }
  }

  #gapTable(rate: number): Uint32Array {
    let table = this.#tables.get(rate);
    if (table === undefined) {
      table = Uint32Array.from({ length: TABLE_SIZE }, (_, draw) =>
        Math.floor(Math.log1p(-(draw + 0.5) / TABLE_SIZE) / Math.log1p(-rate)),
      );
      this.#tables.set(rate, table);
    }
    return table;
  }

  #buffer(name: string, length: number): Uint8Array {
    let buffer = this.#buffers.get(name);
    if (buffer === undefined || buffer.length < length) {
      buffer = new Uint8Array(length);
      this.#buffers.set(name, buffer);
    }
    return buffer.subarray(0, length);
  }
}

function keyOf(seed: number): Uint8Array {
  const key = new DataView(new ArrayBuffer(16));
  key.setFloat64(0, seed);
  return new Uint8Array(key.buffer);
}

/** The upper half of the counter holds step and site; the lower half counts the 16-byte blocks of one mask. */
function counterOf(step: number, site: number): Uint8Array {
  const counter = new DataView(new ArrayBuffer(16));
  counter.setUint32(0, step);
  counter.setUint32(4, site);
  return new Uint8Array(counter.buffer);
}
