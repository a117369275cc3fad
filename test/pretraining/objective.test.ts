/** Heads, losses and all gradients of a BertForPreTraining of awkward sizes against transformers and PyTorch. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import {
  bertForMaskedLm,
  bertForNextSentencePrediction,
  bertInputs,
  maskedLmPositions,
} from '../../src/bert/index.ts';
import { evaluateDim, type Tensor } from '../../src/graph/index.ts';
import { Dropout, Parameters, type Parameter } from '../../src/nn/index.ts';
import { pretrainingBatch, pretrainingObjective } from '../../src/pretraining/index.ts';
import { compile, type Feeds, type HostTensor } from '../../src/runtime/index.ts';
import type { TrainingBatch } from '../../src/training/index.ts';
import { config, examples, golden, keepMask, patterned, projection } from './golden-pretraining.ts';

const batch = pretrainingBatch(examples, 0);
const withoutDropout = { ...config, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 };
const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
const numbers = ({ data }: HostTensor): number[] => Array.from(data as Float32Array);

const valuesOf = (parameters: readonly Parameter[]): Feeds =>
  Object.fromEntries(parameters.map((one) => [one.name, { data: patterned(one), shape: one.shape }]));

async function run<Name extends string>(
  results: Record<Name, Tensor>,
  parameters: readonly Parameter[],
  feeds: Feeds,
  threads = 2,
): Promise<Record<Name, HostTensor>> {
  const program = await compile(results, { threads });
  onTestFinished(() => program.release());
  return program.run({ ...feeds, ...valuesOf(parameters) });
}

/** Losses, logits, and the gradient of every parameter. */
async function evaluate(kind: 'plain' | 'dropout', { feeds, sizes }: TrainingBatch, threads: number) {
  const objective = pretrainingObjective(kind === 'plain' ? withoutDropout : config);
  const gradients = gradient(
    objective.loss,
    objective.parameters.map(({ tensor }) => tensor),
  );
  const results: Record<string, Tensor> = { ...objective.losses, ...objective.logits };
  objective.parameters.forEach(({ name }, i) => (results[`gradient of ${name}`] = gradients[i]!));
  const masks = objective.dropout.sites.map(({ name, shape }, i) => {
    const fixed = shape.map((dim) => evaluateDim(dim, sizes));
    return [name, keepMask(i, fixed)] as const;
  });
  const allFeeds = { ...feeds, ...Object.fromEntries(masks) };
  return { objective, computed: await run(results, objective.parameters, allFeeds, threads) };
}

/** Softmax does not see what shifts all its scores alike. */
const WITHOUT_GRADIENT = /self\.key\.bias$/;

/** Of each parameter, how far its gradient is from PyTorch's, as a part of the norm. */
function gradientErrors(
  computed: Readonly<Record<string, HostTensor>>,
  kind: 'plain' | 'dropout',
): [string, number][] {
  return Object.entries(golden[kind].gradients).map(([name, [wanted, wantedNorm]]) => {
    const got = numbers(computed[`gradient of ${name}`]!);
    const scale = WITHOUT_GRADIENT.test(name) ? 10 : wantedNorm;
    const errors = [projection(name, got) - wanted, norm(got) - wantedNorm];
    return [name, Math.max(...errors.map(Math.abs)) / scale];
  });
}

describe.each([1, 2])('on %i threads', (threads) => {
  it.each(['plain', 'dropout'] as const)('losses and gradients are those of PyTorch: %s', async (kind) => {
    const { objective, computed } = await evaluate(kind, batch, threads);
    const [loss, mlmLoss, nspLoss] = golden[kind].losses;
    expect(numbers(computed['loss']!)[0]).toBeCloseTo(loss, 5);
    expect(numbers(computed['mlmLoss']!)[0]).toBeCloseTo(mlmLoss, 5);
    expect(numbers(computed['nspLoss']!)[0]).toBeCloseTo(nspLoss, 5);
    const errors = gradientErrors(computed, kind);
    expect(errors.map(([name]) => name).sort()).toEqual(objective.parameters.map(({ name }) => name).sort());
    expect(errors.filter(([, error]) => !(error < 2e-5))).toEqual([]);
  });
});

describe('the heads', () => {
  it('give the logits of BertForPreTraining, for masked places only', async () => {
    const { computed } = await evaluate('plain', batch, 2);
    expect(computed['predictionLogits']!.shape).toEqual([25, 99]);
    numbers(computed['predictionLogits']!)
      .slice(0, 500)
      .forEach((logit, i) => expect(logit).toBeCloseTo(golden.plain.prediction_logits[i]!, 4));
    numbers(computed['seqRelationshipLogits']!).forEach((logit, i) =>
      expect(logit).toBeCloseTo(golden.plain.seq_relationship_logits[i]!, 4),
    );
  });

  it('train the row of [PAD] through the decoder, though not where padding is looked up', async () => {
    const { computed } = await evaluate('plain', batch, 2);
    const row = numbers(computed['gradient of bert.embeddings.word_embeddings.weight']!).slice(0, 32);
    expect(projection('padding row', row)).toBeCloseTo(golden.plain.padding_row, 5);
    expect(Math.abs(golden.plain.padding_row)).toBeGreaterThan(0.1);
  });

  it('use dropout at the rates of transformers, in its order', () => {
    expect(pretrainingObjective(config).dropout.sites.map(({ rate }) => rate)).toEqual(golden.dropout.sites);
  });

  it('are there one by one, with the parameters of BertForMaskedLM and BertForNextSentencePrediction', async () => {
    const { objective, computed: both } = await evaluate('plain', batch, 2);
    const names = (parameters: readonly Parameter[]): string[] => parameters.map(({ name }) => name).sort();
    const without = (prefix: RegExp): string[] =>
      names(objective.parameters).filter((name) => !prefix.test(name));
    const feed = (...chosen: string[]): Feeds =>
      Object.fromEntries(chosen.map((name) => [name, batch.feeds[name]!]));
    const tokens = feed('input_ids', 'token_type_ids', 'attention_mask');
    const inference = new Dropout({ training: false });

    const maskedLm = new Parameters();
    const filled = bertForMaskedLm(maskedLm, config, bertInputs(), maskedLmPositions(), inference);
    expect(names(maskedLm.all)).toEqual(without(/^bert\.pooler\.|^cls\.seq_relationship\./));
    const fed = { ...tokens, ...feed('masked_lm_positions') };
    const { filled: predictions } = await run({ filled }, maskedLm.all, fed);
    expect(numbers(predictions)).toEqual(numbers(both['predictionLogits']!));

    const pairs = new Parameters();
    const judged = bertForNextSentencePrediction(pairs, config, bertInputs(), inference);
    expect(names(pairs.all)).toEqual(without(/^cls\.predictions\./));
    const { judged: relationships } = await run({ judged }, pairs.all, tokens);
    expect(numbers(relationships)).toEqual(numbers(both['seqRelationshipLogits']!));
  });
});

describe('the comparison', () => {
  type Example = (typeof examples)[0];
  const changed = (change: (example: Example) => Partial<Example>): TrainingBatch =>
    pretrainingBatch(
      examples.map((example) => ({ ...example, ...change(example) })),
      0,
    );

  it.each<[string, TrainingBatch]>([
    [
      'places off by one',
      changed(({ maskedLmPositions: places }) => ({
        maskedLmPositions: places.map((at) => Math.max(0, at - 1)),
      })),
    ],
    ['other labels', changed(({ maskedLmIds }) => ({ maskedLmIds: maskedLmIds.map((id) => (id + 1) % 99) }))],
    ['pairs turned round', changed(({ nextSentenceLabel: is }) => ({ nextSentenceLabel: is === 0 ? 1 : 0 }))],
    ['a later second segment', changed(({ secondSegment }) => ({ secondSegment: secondSegment + 1 }))],
  ])('notices %s', async (_, other) => {
    const { computed } = await evaluate('plain', other, 1);
    expect(gradientErrors(computed, 'plain').filter(([, error]) => error > 1e-2).length).toBeGreaterThan(20);
  });
});

it('what padding holds and places of weight 0 change nothing', async () => {
  const { feeds, sizes } = pretrainingBatch(examples, 77);
  const more = (name: string, ...values: number[]): Feeds => {
    const { data } = feeds[name] as HostTensor<Float32Array | Int32Array>;
    const longer = [...data, ...values];
    const array = data instanceof Float32Array ? Float32Array.from(longer) : Int32Array.from(longer);
    return { [name]: { data: array, shape: [longer.length] } };
  };
  const filledUp = {
    ...feeds,
    ...more('masked_lm_positions', 0, 5),
    ...more('masked_lm_ids', 0, 98),
    ...more('masked_lm_weights', 0, 0),
  };
  const { computed } = await evaluate('plain', { feeds: filledUp, sizes: new Map([...sizes, ['P', 27]]) }, 1);
  expect(numbers(computed['loss']!)[0]).toBeCloseTo(golden.plain.losses[0], 5);
  expect(gradientErrors(computed, 'plain').filter(([, error]) => !(error < 2e-5))).toEqual([]);
});
