/** Evaluation against its parts: run_qa.py's windows and answers, the official scores. */
import { beforeAll, describe, expect, it } from 'vitest';
import {
  evaluate,
  loadQuestionAnsweringModel,
  type QuestionAnsweringModel,
} from '../../src/pipelines/index.ts';
import {
  parseSquad,
  predictAnswers,
  scoreSquadV1,
  scoreSquadV2,
  squadFeatures,
  type SquadDataset,
} from '../../src/squad/index.ts';
import { writeTinyModel } from './tiny-model.ts';

let model: QuestionAnsweringModel;
beforeAll(async () => {
  model = await loadQuestionAnsweringModel({ model: await writeTinyModel(), threads: 1 });
});

const long = 'abc came at 9, def at 10 and ghi at 12. '.repeat(4);

function dataset(withImpossible: boolean): SquadDataset {
  const rows = [
    { context: 'abc came, def stayed.', question: 'who came?', text: 'abc' },
    { context: long, question: 'who came at 10?', text: 'def' },
    { context: long, question: 'when?', text: withImpossible ? undefined : '9' },
    { context: 'at home', question: 'where?', text: 'home' },
  ];
  const records = rows.map(({ context, question, text }, i) => {
    const answers = text === undefined ? [] : [{ text, answer_start: context.indexOf(text) }];
    return JSON.stringify({ id: `q${i}`, context, question, answers });
  });
  return parseSquad(records.join('\n'));
}

describe.each([
  { rules: 'v1.1', withNoAnswer: false },
  { rules: 'v2.0', withNoAnswer: true },
])('evaluate, $rules', ({ withNoAnswer }) => {
  it('is windows, logits, answers and scores put together', async () => {
    const data = dataset(withNoAnswer);
    const layout = { maxSeqLength: 40, docStride: 8 };
    const { windows } = squadFeatures(data.examples, model.tokenizer, { ...layout, labels: false });
    const logits = [];
    for (const window of windows) logits.push(...(await model.logits([window])));
    const expected = predictAnswers(data.examples, windows, logits, { withNoAnswer, maxAnswerLength: 5 });

    const { metrics, predictions } = await evaluate(model, data, { ...layout, maxAnswerLength: 5 });
    expect([...predictions.keys()]).toEqual(['q0', 'q1', 'q2', 'q3']);
    for (const [id, { text, nBest }] of expected) {
      expect(predictions.get(id)!.text).toBe(text);
      expect(predictions.get(id)!.nBest.map((candidate) => candidate.start)).toEqual(
        nBest.map(({ start }) => start),
      );
    }
    expect(metrics).toMatchObject({ total: 4, windows: windows.length, truncated_questions: 0 });
    expect(metrics.seconds).toBeGreaterThan(0);

    const texts = new Map([...expected].map(([id, { text }]) => [id, text]));
    if (withNoAnswer) {
      const scores = scoreSquadV2(data.examples, texts);
      expect(metrics).toMatchObject({
        exact_match: scores.exact,
        f1: scores.f1,
        HasAns_total: 3,
        NoAns_total: 1,
      });
      expect(metrics).toHaveProperty('best_f1_thresh');
    } else {
      const scores = scoreSquadV1(data.examples, texts);
      expect(metrics).toMatchObject({ exact_match: scores.exactMatch, f1: scores.f1 });
      expect(metrics).not.toHaveProperty('HasAns_total');
    }
  });
});

describe('evaluate', () => {
  it('reports progress in windows', async () => {
    const progress: [number, number][] = [];
    const { metrics } = await evaluate(model, dataset(false), {
      maxSeqLength: 40,
      docStride: 8,
      batchSize: 4,
      onProgress: (done, total) => progress.push([done, total]),
    });
    expect(progress.length).toBeGreaterThan(2);
    expect(progress.at(-1)).toEqual([metrics.windows, metrics.windows]);
  });

  it('answers nothing where the threshold is low enough', async () => {
    const { predictions } = await evaluate(model, dataset(true), {
      nullScoreDiffThreshold: -1e9,
      docStride: 8,
    });
    expect([...predictions.values()].map(({ text }) => text)).toEqual(['', '', '', '']);
  });

  it.each([
    {
      options: { maxSeqLength: 65 },
      message: "max_seq_length: expected at most the model's 64 positions, got 65",
    },
    { options: { nBestSize: 0 }, message: 'n_best_size: expected a whole number from 1, got 0' },
    {
      options: { withNoAnswer: false },
      message: 'question q2: expected a gold answer, to score by the rules of v1.1, got none',
    },
  ])('refuses: $message', async ({ options, message }) => {
    await expect(evaluate(model, dataset(true), { docStride: 8, ...options })).rejects.toMatchObject({
      message,
    });
  });
});
