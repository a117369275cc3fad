/** TFRecord files that google-research/bert's script wrote with TensorFlow (`scripts/golden/pretraining.py`). */
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openPretrainingExamples } from '../../src/pretraining/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const GOLDEN = join(import.meta.dirname, '../golden/pretraining');
const RECORDS = join(GOLDEN, 'examples.tfrecord');
const { vocabulary } = JSON.parse(readFileSync(join(GOLDEN, 'procedure.json'), 'utf8')) as {
  vocabulary: string[];
};
const expected = JSON.parse(readFileSync(join(GOLDEN, 'examples.json'), 'utf8')) as {
  input_ids: number[];
  second_segment: number;
  masked_lm_positions: number[];
  masked_lm_ids: number[];
  next_sentence_label: number;
}[];

/** A directory with the vocabulary, and the golden file changed as told. */
function records(change: (bytes: Buffer) => Uint8Array = (bytes) => bytes, tokens = vocabulary): string {
  const directory = temporaryDirectory();
  writeFileSync(join(directory, 'vocab.txt'), `${tokens.join('\n')}\n`);
  writeFileSync(join(directory, 'examples.tfrecord'), change(readFileSync(RECORDS)));
  return directory;
}

describe('TFRecord examples', () => {
  it('are those that were written, without their padding', async () => {
    const examples = await openPretrainingExamples(records());
    expect(examples.size).toBe(expected.length);
    expect([examples.maxSeqLength, examples.maxPredictionsPerSeq]).toEqual([37, 7]);
    const ours = expected.map((_, i) => {
      const example = examples.read(i);
      return {
        input_ids: [...example.inputIds],
        second_segment: example.secondSegment,
        masked_lm_positions: [...example.maskedLmPositions],
        masked_lm_ids: [...example.maskedLmIds],
        next_sentence_label: example.nextSentenceLabel,
      };
    });
    expect(ours).toEqual(expected);
    expect([...examples.lengths]).toEqual(expected.map(({ input_ids }) => input_ids.length));
    examples.close();
  });

  it('of several files are one data set, in the order of their names', async () => {
    const directory = records();
    copyFileSync(RECORDS, join(directory, 'a.tfrecord-00000-of-00001'));
    const examples = await openPretrainingExamples(directory);
    expect(examples.size).toBe(2 * expected.length);
    expect([...examples.read(expected.length + 1).inputIds]).toEqual(expected[1]!.input_ids);
    expect(() => examples.read(2 * expected.length)).toThrow(/expected an index below/);
    examples.close();
  });

  const flipped = (position: number) => (bytes: Buffer) => {
    bytes[position]! ^= 1;
    return bytes;
  };
  it.each([
    ['a length', flipped(1), /record 0: length: expected data of CRC-32C 0x[0-9a-f]{8}, got 0x/],
    ['data', flipped(30), /examples\.tfrecord: record 0: expected data of CRC-32C/],
    ['the end', (bytes: Buffer) => bytes.subarray(0, -3), /record \d+: expected \d+ bytes of data, got/],
    [
      'most of it',
      (bytes: Buffer) => bytes.subarray(0, 9),
      /record 0: expected a length and its checksum, got 9 bytes/,
    ],
    ['all of it', () => new Uint8Array(0), /expected at least one example, got none/],
  ])('that lost %s are refused', async (_, change, message) => {
    await expect(openPretrainingExamples(records(change))).rejects.toThrow(message);
  });

  it('of another vocabulary are refused', async () => {
    const few = records(undefined, vocabulary.slice(0, 50));
    await expect(openPretrainingExamples(few)).rejects.toThrow(
      /record 0: expected ids below 50, the size of/,
    );
    const none = join(GOLDEN, 'examples.tfrecord');
    await expect(openPretrainingExamples(none)).rejects.toThrow(/vocab\.txt: cannot be read/);
  });
});
