import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { QuestionAnsweringModel } from '../../src/pipelines/index.ts';
import { batchesByLength, readWindows } from '../../src/pipelines/window-reading.ts';
import type { WindowInput } from '../../src/squad/question-batches.ts';

function windowsOf(lengths: readonly number[]): WindowInput[] {
  return lengths.map((length, i) => ({
    inputIds: new Int32Array(length).fill(i),
    tokenTypeIds: new Uint8Array(length),
  }));
}

/** A model that answers with the first id of each window. */
const echo = {
  lanes: 1,
  logits: (windows: readonly WindowInput[]) =>
    Promise.resolve(
      windows.map(({ inputIds }) => ({
        startLogits: Float32Array.from(inputIds),
        endLogits: Float32Array.from(inputIds),
      })),
    ),
} as unknown as QuestionAnsweringModel;

describe('batchesByLength', () => {
  it('makes batches of like length', () => {
    expect(batchesByLength(windowsOf([300, 40, 384, 380, 41]), { batchPieces: 768 })).toEqual([
      [2, 3],
      [0, 4],
      [1],
    ]);
  });

  it('has every window once, and keeps to its limits', () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 });
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 200 }),
        (all, batchSize, batchPieces) => {
          const batches = batchesByLength(windowsOf(all), { batchSize, batchPieces });
          expect(batches.flat().sort((a, b) => a - b)).toEqual(all.map((_, i) => i));
          for (const batch of batches) {
            const longest = Math.max(...batch.map((i) => all[i]!));
            expect(batch.length).toBeLessThanOrEqual(batchSize);
            if (batch.length > 1) expect(batch.length * longest).toBeLessThanOrEqual(batchPieces);
          }
        },
      ),
    );
  });
});

describe('readWindows', () => {
  it('gives results in the order of the windows, over many batches and chunks', async () => {
    const lengths = Array.from({ length: 2500 }, (_, i) => 1 + ((i * 7919) % 23));
    const progress: number[] = [];
    const order: number[] = [];
    const onProgress = (done: number): unknown => progress.push(done);
    for await (const { startLogits } of readWindows(echo, windowsOf(lengths), {
      batchPieces: 100,
      onProgress,
    })) {
      expect(startLogits).toHaveLength(lengths[order.length]!);
      order.push(startLogits[0]!);
    }
    expect(order).toEqual(lengths.map((_, i) => i));
    expect(progress.at(-1)).toBe(2500);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it('is cut short between two batches, with the reason of the signal', async () => {
    const request = new AbortController();
    const reason = new Error('enough');
    const done: number[] = [];
    const reading = readWindows(echo, windowsOf(Array<number>(40).fill(10)), {
      batchSize: 4,
      signal: request.signal,
      onProgress: (count) => {
        done.push(count);
        if (count === 12) request.abort(reason);
      },
    });
    await expect(reading.next()).rejects.toBe(reason);
    expect(done).toEqual([4, 8, 12]);
  });

  it.each([
    { options: { batchSize: 0 }, message: 'batch_size: expected a whole number from 1, got 0' },
    { options: { batchPieces: NaN }, message: 'batch_pieces: expected a whole number from 1, got NaN' },
  ])('refuses: $message', async ({ options, message }) => {
    await expect(readWindows(echo, windowsOf([1]), options).next()).rejects.toThrow(message);
  });
});
