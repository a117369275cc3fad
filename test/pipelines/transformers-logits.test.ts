/** Logits against those of transformers 5.17 on the same weights and inputs (scripts/golden/bert_logits.py). */
import { copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { loadQuestionAnsweringModel, QuestionAnswering } from '../../src/pipelines/index.ts';
import { goldenModel } from './tiny-model.ts';

interface Batch {
  readonly input_ids: number[][];
  readonly token_type_ids: number[][];
  readonly start_logits: number[][];
  readonly end_logits: number[][];
}
interface Golden {
  readonly cases: { name: string; hidden_act: string; weights: string; batches: Batch[] }[];
  readonly texts: {
    readonly question: string;
    readonly context: string;
    readonly window: {
      readonly input_ids: number[];
      readonly token_type_ids: number[];
      readonly start_logits: number[];
      readonly end_logits: number[];
      readonly offsets: [number, number][];
    };
  }[];
}

const golden = JSON.parse(await readFile(join(goldenModel, 'logits.json'), 'utf8')) as Golden;

/** Logits of these models reach 10; ours differ from transformers' by about 1e-6. */
const TOLERANCE = 2e-5;

function expectClose(got: ArrayLike<number>, expected: readonly number[]): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(got[i]! - value)).toBeLessThan(TOLERANCE));
}

describe.each(golden.cases)('transformers, $name', ({ hidden_act, weights, batches }) => {
  it.each([
    { how: 'padded batches', alone: false },
    { how: 'each window alone', alone: true },
  ])('$how', async ({ alone }) => {
    const model = await loadQuestionAnsweringModel({
      model: await modelDirectory(hidden_act, weights),
      threads: 1,
    });
    for (const batch of batches) {
      const windows = batch.input_ids.map((ids, row) => ({
        inputIds: Int32Array.from(ids),
        tokenTypeIds: Uint8Array.from(batch.token_type_ids[row]!),
      }));
      const logits = alone
        ? (await Promise.all(windows.map((window) => model.logits([window])))).flat()
        : await model.logits(windows);
      logits.forEach(({ startLogits, endLogits }, row) => {
        expectClose(startLogits, batch.start_logits[row]!);
        expectClose(endLogits, batch.end_logits[row]!);
      });
    }
    await model.release();
  });
});

describe('transformers, from texts', () => {
  let qa: QuestionAnswering;
  beforeAll(async () => {
    qa = await QuestionAnswering.load({ model: goldenModel, threads: 1 });
  });

  it.each(golden.texts)('$question', async ({ question, context, window }) => {
    const windows = await qa.logits({ question, context });
    expect(windows).toHaveLength(1);
    const { inputIds, tokenTypeIds, startLogits, endLogits, offsets } = windows[0]!;
    expect([...inputIds]).toEqual(window.input_ids);
    expect([...tokenTypeIds]).toEqual(window.token_type_ids);
    expect(offsets).toEqual(window.offsets);
    expectClose(startLogits, window.start_logits);
    expectClose(endLogits, window.end_logits);
  });
});

async function modelDirectory(hiddenAct: string, weights: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bertram-golden-'));
  const config = JSON.parse(await readFile(join(goldenModel, 'config.json'), 'utf8')) as object;
  await writeFile(join(directory, 'config.json'), JSON.stringify({ ...config, hidden_act: hiddenAct }));
  await copyFile(join(goldenModel, 'vocab.txt'), join(directory, 'vocab.txt'));
  await copyFile(join(goldenModel, weights), join(directory, 'model.safetensors'));
  return directory;
}
