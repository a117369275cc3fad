/** A vocabulary of more than 65,536 entries, whose ids take 32 bits: from text through shards to the inputs of the model. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openPretrainingExamples, prepare, pretrainingBatch } from '../../src/pretraining/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];
const VOCABULARY_SIZE = 70_001;
const DOCUMENTS = 30;
const DOCUMENT_WORDS = 100;
const LINE_WORDS = 10;
/** The ids of the first document are to both sides of 2^16. */
const FIRST_ID = 65_500;

const vocabulary = Array.from({ length: VOCABULARY_SIZE }, (_, id) => SPECIAL[id] ?? `w${id}`);
/** Every word comes once, so that what follows in the text follows by its id. */
const corpus = Array.from({ length: DOCUMENTS * DOCUMENT_WORDS }, (_, i) => {
  const end = (i + 1) % DOCUMENT_WORDS === 0 ? '\n\n' : (i + 1) % LINE_WORDS === 0 ? '\n' : ' ';
  return `w${FIRST_ID + i}${end}`;
}).join('');
const documentOf = (id: number): number => Math.floor((id - FIRST_ID) / DOCUMENT_WORDS);

/** The document of a stretch of the text. */
function documentOfSegment(ids: Int32Array): number {
  expect(ids).toEqual(Int32Array.from(ids, (_, i) => ids[0]! + i));
  expect(documentOf(ids.at(-1)!)).toBe(documentOf(ids[0]!));
  return documentOf(ids[0]!);
}

it('goes through all files and batches without a changed id', async () => {
  const directory = temporaryDirectory();
  const [text, vocab] = [join(directory, 'text.txt'), join(directory, 'vocab-file.txt')];
  writeFileSync(text, corpus);
  writeFileSync(vocab, `${vocabulary.join('\n')}\n`);
  const outputDir = join(directory, 'shards');
  const { training } = await prepare({
    ...{ inputs: [text], outputDir, vocab, workers: 1, seed: 3 },
    ...{ lowercase: false, sentencePerLine: true, wholeWordMask: true, heldOut: 0 },
    ...{ maxSeqLength: 47, maxPredictionsPerSeq: 7, maskedLmProb: 0.15, shortSeqProb: 0.1 },
    ...{ dupeFactor: 2, shardPieces: 1500 },
  });
  expect(training.shards.length).toBe(4);

  const opened = await openPretrainingExamples(outputDir);
  const examples = Array.from({ length: opened.size }, (_, i) => opened.read(i));
  opened.close();
  const documents = new Set<number>();
  for (const { inputIds, secondSegment, maskedLmPositions, maskedLmIds, nextSentenceLabel } of examples) {
    expect(inputIds.every((id) => id >= 0 && id < VOCABULARY_SIZE)).toBe(true);
    const original = Int32Array.from(inputIds);
    maskedLmPositions.forEach((position, i) => (original[position] = maskedLmIds[i]!));
    const first = documentOfSegment(original.subarray(1, secondSegment - 1));
    const second = documentOfSegment(original.subarray(secondSegment, -1));
    expect(first === second).toBe(nextSentenceLabel === 0);
    documents.add(first).add(second);
  }
  expect([...documents].sort((a, b) => a - b)).toEqual(Array.from({ length: DOCUMENTS }, (_, i) => i));

  const { feeds } = pretrainingBatch(examples, 0);
  const { data, shape } = feeds['input_ids']!;
  expect(shape).toEqual([examples.length, 47]);
  const padded = examples.flatMap(({ inputIds }) => [
    ...inputIds,
    ...Array<number>(47 - inputIds.length).fill(0),
  ]);
  expect([...data]).toEqual(padded);
  expect([...feeds['masked_lm_ids']!.data]).toEqual(examples.flatMap(({ maskedLmIds }) => [...maskedLmIds]));
});
