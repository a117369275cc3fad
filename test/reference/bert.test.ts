/** The reference BERT against transformers, so that what is compared with it is compared with more than ourselves. */
import { describe, expect, it } from 'vitest';
import { ReferenceBert, referenceCrossEntropy } from './bert.ts';
import { config, golden, inputs, parameters, pattern, type Parameters } from './golden-bert.ts';
import { erf } from './special-functions.ts';

const modelOf = (values: Parameters): ReferenceBert =>
  new ReferenceBert(
    {
      numHiddenLayers: config['num_hidden_layers']!,
      numAttentionHeads: config['num_attention_heads']!,
      layerNormEps: config['layer_norm_eps']!,
    },
    values,
  );

function expectNear(got: ArrayLike<number>, expected: readonly number[], tolerance = 1e-11): void {
  expect(got.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(got[i]! - value), `number ${i}`).toBeLessThan(tolerance));
}

function questionAnsweringLoss(values: Parameters): number {
  const { start_positions, end_positions } = golden.questionAnswering;
  const logits = inputs.map((input) => modelOf(values).spanLogits(input));
  const [starts, ends] = [logits.map(({ start }) => start), logits.map(({ end }) => end)];
  return (referenceCrossEntropy(starts, start_positions) + referenceCrossEntropy(ends, end_positions)) / 2;
}

function preTrainingLoss(values: Parameters): number {
  const { labels, next_sentence_label } = golden.preTraining;
  const model = modelOf(values);
  const pieces = inputs.flatMap((input) => model.predictionLogits(input));
  const sentences = inputs.map((input) => model.nextSentenceLogits(input));
  return referenceCrossEntropy(pieces, labels.flat()) + referenceCrossEntropy(sentences, next_sentence_label);
}

describe('the reference BERT equals transformers in float64:', () => {
  const model = modelOf(parameters);

  it('the states of every layer, of a sequence with padding', () => {
    const states = model.hiddenStates(inputs[1]!);
    expect(states).toHaveLength(config['num_hidden_layers']! + 1);
    golden.questionAnswering.hidden_states.forEach((expected, layer) =>
      expected.forEach((row, s) => expectNear(states[layer]![s]!, row)),
    );
  });

  it('the logits of a span', () => {
    inputs.forEach((input, i) => {
      const { start, end } = model.spanLogits(input);
      expectNear(start, golden.questionAnswering.start_logits[i]!);
      expectNear(end, golden.questionAnswering.end_logits[i]!);
    });
  });

  it('the logits of masked pieces and of the next sentence', () => {
    const labelled = inputs.flatMap((input, i) =>
      model.predictionLogits(input).filter((_, s) => golden.preTraining.labels[i]![s] !== -100),
    );
    golden.preTraining.prediction_logits.forEach((row, i) => expectNear(labelled[i]!, row));
    inputs.forEach((input, i) =>
      expectNear(model.nextSentenceLogits(input), golden.preTraining.seq_relationship_logits[i]!),
    );
  });

  it.each([
    ['question answering', questionAnsweringLoss, golden.questionAnswering],
    ['pretraining', preTrainingLoss, golden.preTraining],
  ] as const)(
    'the loss of %s, and how it changes along one direction for all parameters',
    (_, lossOf, expected) => {
      expect(Math.abs(lossOf(parameters) - expected.loss)).toBeLessThan(1e-11);
      const step = 1e-5;
      const lossAt = (distance: number): number =>
        lossOf(
          Object.fromEntries(
            Object.entries(parameters).map(([name, { shape, data }]) => {
              const direction = pattern(`direction of ${name}`, data.length);
              return [name, { shape, data: data.map((value, i) => value + distance * direction[i]!) }];
            }),
          ),
        );
      const derivative = (lossAt(step) - lossAt(-step)) / (2 * step);
      const projected = Object.values(expected.gradients).reduce((a, b) => a + b);
      expect(Math.abs(derivative - projected)).toBeLessThan(1e-6 * Math.abs(projected));
    },
  );

  it('of every parameter that a loss can reach', () => {
    const reached = [
      ...Object.keys(golden.questionAnswering.gradients),
      ...Object.keys(golden.preTraining.gradients),
    ];
    expect(new Set(reached)).toEqual(new Set(Object.keys(parameters)));
  });
});

describe('erf', () => {
  // Abramowitz and Stegun, table 7.1, to more digits.
  it.each([
    [0, 0],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [7, 1],
  ])('of %d is %d', (x, expected) => {
    expect(Math.abs(erf(x) - expected)).toBeLessThan(2e-15);
    expect(erf(-x)).toBe(-erf(x));
  });
});
