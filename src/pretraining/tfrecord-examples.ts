/**
 * Examples of google-research/bert's `create_pretraining_data.py`: TFRecord files of `tf.train.Example`, padded to
 * one length.
 */
import { createHash } from 'node:crypto';
import { basename, dirname, join } from 'node:path';
import { fromBinary } from '@bufbuild/protobuf';
import { readTextFile } from '../checkpoint/index.ts';
import { badInput, messageOf } from '../support/errors.ts';
import { Vocabulary } from '../tokenizers/index.ts';
import type { PretrainingExample, PretrainingExamples } from './example.ts';
import { textSha256 } from '../checkpoint/file-checksum.ts';
import { ExampleSchema } from './generated/tf-example_pb.ts';
import { TfRecordFile } from './tfrecord.ts';

const VOCABULARY_FILE = 'vocab.txt';

/** An example with its padding. */
interface PaddedExample extends PretrainingExample {
  readonly paddedLength: number;
  readonly paddedPredictions: number;
}

/**
 * Opens files as one data set. They do not say which vocabulary their ids belong to: it is the `vocab.txt` beside them.
 *
 * @param paths in the order of their examples, all in one directory
 * @throws BertramError `not-found` for an absent file, `vocab.txt` included; `bad-input` for damaged records, records of
 * something else, examples of different lengths, and ids that the vocabulary does not have
 */
export async function openTfRecordExamples(paths: readonly string[]): Promise<PretrainingExamples> {
  const vocabularyPath = join(dirname(paths[0]!), VOCABULARY_FILE);
  const vocabularyText = await readTextFile(vocabularyPath);
  const vocabulary = Vocabulary.parse(vocabularyText, vocabularyPath);
  const files: TfRecordFile[] = [];
  const lengths: number[] = [];
  const hash = createHash('sha256');
  let first: PaddedExample | undefined;
  try {
    for (const path of paths) {
      const check = (data: Uint8Array, index: number): void => {
        const where = `${path}: record ${index}`;
        hash.update(data);
        const example = parseExample(data, where);
        first ??= example;
        for (const key of ['paddedLength', 'paddedPredictions'] as const)
          if (example[key] !== first[key])
            badInput(where, `${first[key]} places, as in ${basename(paths[0]!)}`, String(example[key]));
        const largest = Math.max(...example.inputIds, ...example.maskedLmIds);
        if (largest >= vocabulary.size)
          badInput(where, `ids below ${vocabulary.size}, the size of ${vocabularyPath}`, String(largest));
        lengths.push(example.inputIds.length);
      };
      files.push(TfRecordFile.open(path, check));
    }
    if (first === undefined) badInput(paths.join(', '), 'at least one example', 'none');
  } catch (error) {
    for (const file of files) file.close();
    throw error;
  }
  const checksums = { vocabularySha256: textSha256(vocabularyText), sha256: hash.digest('hex') };
  return new TfRecordExamples(files, Uint16Array.from(lengths), first, checksums);
}

class TfRecordExamples implements PretrainingExamples {
  readonly size: number;
  readonly lengths: Uint16Array;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  readonly vocabularySha256: string;
  readonly sha256: string;
  readonly #files: readonly TfRecordFile[];

  constructor(
    files: readonly TfRecordFile[],
    lengths: Uint16Array,
    { paddedLength, paddedPredictions }: PaddedExample,
    { vocabularySha256, sha256 }: Pick<PretrainingExamples, 'vocabularySha256' | 'sha256'>,
  ) {
    this.#files = files;
    this.size = lengths.length;
    this.lengths = lengths;
    this.maxSeqLength = paddedLength;
    this.maxPredictionsPerSeq = paddedPredictions;
    this.vocabularySha256 = vocabularySha256;
    this.sha256 = sha256;
  }

  /** @throws BertramError `bad-input` for an index that no example has */
  read(index: number): PretrainingExample {
    let inFile = index;
    for (const file of this.#files) {
      if (inFile >= 0 && inFile < file.size) return parseExample(file.read(inFile), file.path);
      inFile -= file.size;
    }
    return badInput('pretraining examples', `an index below ${this.size}`, String(index));
  }

  close(): void {
    for (const file of this.#files) file.close();
  }
}

function parseExample(data: Uint8Array, where: string): PaddedExample {
  const features = parseFeatures(data, where);
  const values = (name: string, kind: 'int64List' | 'floatList'): readonly number[] => {
    const feature = features[name]?.kind;
    if (feature?.case !== kind)
      badInput(
        where,
        `a ${name} of ${kind === 'int64List' ? 'whole numbers' : 'floats'}`,
        feature?.case ?? 'none',
      );
    return feature.value.value;
  };
  const inputIds = values('input_ids', 'int64List');
  const inputMask = values('input_mask', 'int64List');
  const segmentIds = values('segment_ids', 'int64List');
  const positions = values('masked_lm_positions', 'int64List');
  const labels = values('masked_lm_ids', 'int64List');
  const weights = values('masked_lm_weights', 'floatList');
  const nextSentence = values('next_sentence_labels', 'int64List');

  const length = leadingCount(inputMask, 1);
  const count = leadingCount(weights, 1);
  const secondSegment = segmentIds.indexOf(1);
  const isWhole =
    inputMask.length === inputIds.length &&
    segmentIds.length === inputIds.length &&
    labels.length === positions.length &&
    weights.length === positions.length &&
    secondSegment > 0 &&
    secondSegment < length &&
    inputIds.every((id) => id >= 0) &&
    labels.every((id) => id >= 0) &&
    positions.every((position, i) => i >= count || (position > 0 && position < length)) &&
    (nextSentence[0] === 0 || nextSentence[0] === 1);
  if (!isWhole) badInput(where, 'a pretraining example whose features fit together', 'another');
  return {
    inputIds: Int32Array.from(inputIds.slice(0, length)),
    secondSegment,
    maskedLmPositions: Int32Array.from(positions.slice(0, count)),
    maskedLmIds: Int32Array.from(labels.slice(0, count)),
    nextSentenceLabel: nextSentence[0] === 1 ? 1 : 0,
    paddedLength: inputIds.length,
    paddedPredictions: positions.length,
  };
}

function parseFeatures(data: Uint8Array, where: string) {
  try {
    return fromBinary(ExampleSchema, data).features?.feature ?? {};
  } catch (error) {
    return badInput(where, 'a tf.train.Example', messageOf(error));
  }
}

/** How many of the first values are `value`. */
function leadingCount(values: readonly number[], value: number): number {
  const end = values.findIndex((other) => other !== value);
  return end < 0 ? values.length : end;
}
