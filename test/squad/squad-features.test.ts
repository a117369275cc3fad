import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { squadFeatures, type SquadFeatures, type SquadWindow } from '../../src/squad/index.ts';
import { golden, hasSharedData, ownSet, ownTokenizer, sharedSet, sharedTokenizer } from './shared-sets.ts';
import type { Casing } from './shared-sets.ts';

interface GoldenWindows {
  readonly questions: number;
  readonly overlap: { windows: number; refused: string[]; ran_off: number; digest: string };
  readonly step?: { windows: number; training_windows: number; skipped: string[]; digest: string };
}

const goldens = golden('windows') as Record<string, GoldenWindows>;

/** BERTRAM_ALL_SETS=1 compares all that is stored; by default what takes a second each. */
const quick = ['own-set', 'new-wiki-valid', 'qed/cased', 'reddit/cased/384', 'covidqa/cased'];
const compared = Object.keys(goldens).filter(
  (key) => process.env['BERTRAM_ALL_SETS'] !== undefined || quick.some((prefix) => key.startsWith(prefix)),
);

/** sha256 over little-endian int32, window after window. */
function digestOf(
  windows: readonly SquadWindow[],
  arraysOf: (window: SquadWindow) => ArrayLike<number>[],
): string {
  const hash = createHash('sha256');
  for (const window of windows) {
    const { exampleIndex, inputIds, contextBegin, contextEnd, startPosition, endPosition } = window;
    hash.update(
      Int32Array.of(exampleIndex, inputIds.length, contextBegin, contextEnd, startPosition, endPosition),
    );
    for (const array of arraysOf(window)) hash.update(Int32Array.from(array));
  }
  return hash.digest('hex');
}

describe.each(compared)('squadFeatures on %s', (key) => {
  const [name = '', casing = '', maxSeqLength = '', docStride = ''] = key.split('/');
  const isOwn = name === 'own-set';
  const load = async () => ({
    examples: (isOwn ? ownSet() : await sharedSet(name)).examples,
    tokenizer: isOwn ? ownTokenizer(casing as Casing) : sharedTokenizer(casing as Casing),
    options: {
      maxSeqLength: Number(maxSeqLength),
      docStride: Number(docStride),
      maxQueryLength: maxSeqLength === '97' ? 32 : 64,
    },
  });
  const { overlap, step, questions } = goldens[key]!;

  it.skipIf(!isOwn && !hasSharedData)('equals run_qa.py (skipped without ../shared/data)', async () => {
    const { examples, tokenizer, options } = await load();
    const features = squadFeatures(examples, tokenizer, options);
    expect(examples).toHaveLength(questions);
    // The questions that run_qa.py stops at are those that are cut here, and no others.
    const truncated = features.truncatedQuestions.map(({ exampleIndex }) => examples[exampleIndex]!.id);
    expect(truncated).toEqual(overlap.refused);
    const accepted = features.windows.filter((window) => window.droppedQuestionPieces === 0);
    expect(accepted).toHaveLength(overlap.windows);
    expect(digestOf(accepted, ({ inputIds, starts, ends }) => [inputIds, starts, ends])).toBe(overlap.digest);
    expectTypesAndSlices(
      features,
      examples.map((example) => example.context),
    );
  });

  it.skipIf(step === undefined || (!isOwn && !hasSharedData))(
    'equals run_squad.py in step mode',
    async () => {
      const { examples, tokenizer, options } = await load();
      const stepped = { ...options, strideMode: 'step' } as const;
      expect(squadFeatures(examples, tokenizer, { ...stepped, labels: false }).windows).toHaveLength(
        step!.windows,
      );
      const features = squadFeatures(examples, tokenizer, stepped);
      const skipped = features.skippedExamples.map((index) => examples[index]!.id);
      expect(skipped.sort()).toEqual(step!.skipped);
      expect(features.windows).toHaveLength(step!.training_windows);
      // run_squad.py numbers the examples that it keeps; so does the digest, by their place in the file.
      expect(digestOf(features.windows, ({ inputIds, maxContext }) => [inputIds, maxContext!])).toBe(
        step!.digest,
      );
    },
  );
});

/** What holds for any window, whatever the reference says. */
function expectTypesAndSlices({ windows }: SquadFeatures, contexts: readonly string[]): void {
  for (const window of windows) {
    const { inputIds, tokenTypeIds, contextBegin, contextEnd, starts, ends } = window;
    if (tokenTypeIds.indexOf(1) !== contextBegin || tokenTypeIds.length !== inputIds.length)
      expect.fail('type ids');
    if (contextEnd !== inputIds.length - 1 || starts.length !== contextEnd - contextBegin)
      expect.fail('bounds');
    if (ends.at(-1)! > contexts[window.exampleIndex]!.length) expect.fail('offset past the context');
  }
}
