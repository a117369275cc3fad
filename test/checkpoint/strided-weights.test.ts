/** Elements at strides, against the definition: the element at (i, j, …) lies at i·s₀ + j·s₁ + … */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StridedWeights, contiguousStrides, elementSpan } from '../../src/checkpoint/strided-weights.ts';
import type { StridedTensor } from '../../src/checkpoint/strided-weights.ts';

/** A file whose 32-bit elements are their own numbers, each with the bits of a signalling NaN at odd places. */
function weightsOf(
  shape: readonly number[],
  strides: readonly number[],
  isIntact?: () => boolean,
): StridedWeights {
  const span = elementSpan(shape, strides);
  const file = new Uint32Array(span + 1).map((_, i) => (i % 2 === 0 ? i : 0x7f800000 + i));
  const bytes = new Uint8Array(file.buffer);
  const tensor: StridedTensor = {
    dtype: 'F32',
    shape,
    strides,
    position: 4,
    byteLength: span * 4,
    source: {
      path: 'file',
      size: bytes.length,
      read: (into, position) => {
        into.set(bytes.subarray(position, position + into.length));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    },
    ...(isIntact === undefined ? {} : { isIntact }),
  };
  return new StridedWeights('file', new Map([['t', tensor]]), new Map(), []);
}

/** Element by element. */
function byDefinition(shape: readonly number[], strides: readonly number[]): number[] {
  let offsets = [0];
  for (const [axis, size] of shape.entries()) {
    offsets = offsets.flatMap((start) => Array.from({ length: size }, (_, i) => start + i * strides[axis]!));
  }
  return offsets.map((offset) => (offset % 2 === 1 ? offset + 1 : 0x7f800000 + offset + 1));
}

describe('StridedWeights', () => {
  it.each([
    ['a scalar', [], []],
    ['a vector of every third', [5], [3]],
    ['a matrix turned, larger than a tile', [37, 41], [1, 37]],
    ['a matrix with gaps', [3, 4], [11, 2]],
    ['a row turned', [1, 7], [1, 1]],
    ['three axes, permuted', [3, 35, 2], [1, 6, 3]],
    ['four axes, reversed', [2, 3, 4, 5], [1, 2, 6, 24]],
    ['nothing', [0, 3], [3, 1]],
  ])('reads %s', async (_, shape, strides) => {
    const values = await weightsOf(shape, strides).readFloat32('t');
    expect([...new Uint32Array(values.buffer, values.byteOffset, values.length)]).toEqual(
      byDefinition(shape, strides),
    );
  });

  it('reads any strides', async () => {
    const axis = fc.record({ size: fc.integer({ min: 1, max: 5 }), stride: fc.integer({ min: 0, max: 40 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(axis, { maxLength: 5 }), async (axes) => {
        const [shape, strides] = [axes.map(({ size }) => size), axes.map(({ stride }) => stride)];
        const values = (await weightsOf(shape, strides).read('t')) as Float32Array;
        expect([...new Uint32Array(values.buffer)]).toEqual(byDefinition(shape, strides));
      }),
      { numRuns: 200 },
    );
  });

  it('asks for the checksum of all that was read, turned or not', async () => {
    for (const strides of [
      [3, 1],
      [1, 2],
    ]) {
      await expect(weightsOf([2, 3], strides, () => false).read('t')).rejects.toThrow(
        'file: tensor "t": expected bytes that match their checksum, got damaged ones',
      );
      await expect(weightsOf([2, 3], strides, () => true).read('t')).resolves.toHaveLength(6);
    }
  });

  it('knows strides and spans', () => {
    expect(contiguousStrides([2, 3, 5])).toEqual([15, 5, 1]);
    expect(contiguousStrides([])).toEqual([]);
    expect(elementSpan([2, 3], [10, 2])).toBe(15);
    expect(elementSpan([4, 0], [1, 1])).toBe(0);
  });
});
