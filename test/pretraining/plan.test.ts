/** What recipes cost: published counts, and the products counted one by one in the graph that is trained. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { presetConfig, type BertConfig } from '../../src/bert/index.ts';
import { evaluateDim, nodesOf, type Node } from '../../src/graph/index.ts';
import {
  flopsOf,
  hoursOf,
  parseRecipe,
  phaseSettings,
  planOf,
  pretrainingObjective,
} from '../../src/pretraining/index.ts';

const read = (name: string) =>
  parseRecipe(readFileSync(`configs/${name}.json`, 'utf8'), `configs/${name}.json`);

/** The operations of all products of a forward pass, counted from the shapes of its nodes. */
function forwardFlops(config: BertConfig, batch: number, length: number, predictions: number): number {
  const sizes = new Map([
    ['B', batch],
    ['S', length],
    ['P', batch * predictions],
  ]);
  const count = (shape: readonly (number | string)[]): number =>
    shape.reduce<number>((product, dim) => product * evaluateDim(dim, sizes), 1);
  const flops = (node: Node): number => {
    const [x, weight] = node.inputs;
    if (node.op === 'linear') return 2 * count(x!.shape) * evaluateDim(weight!.shape[0]!, sizes);
    return node.op === 'attention' ? 4 * count(x!.shape) * length : 0;
  };
  const inference = pretrainingObjective(config, { training: false });
  return nodesOf([inference.loss]).reduce((sum, node) => sum + flops(node), 0);
}

describe('the arithmetic', () => {
  it.each(['tiny', 'mini', 'base', 'large'] as const)(
    'of %s is three times that of its forward pass',
    (name) => {
      const config = presetConfig(name, 28_996);
      expect(flopsOf(config, 3, 128, 20)).toBe(3 * forwardFlops(config, 3, 128, 20));
      expect(flopsOf(config, 2, 512, 77)).toBe(3 * forwardFlops(config, 2, 512, 77));
    },
  );
});

describe('the recipe of the large model', () => {
  const recipe = read('bert-large-cased-wwm');
  const settings = phaseSettings(recipe);

  it('has the steps of the model card: 90 % at 128 pieces, 10 % at 512', () => {
    expect(
      settings.map((phase) => [
        phase.maxSeqLength,
        phase.numTrainSteps,
        phase.trainBatchSize,
        phase.numWarmupSteps,
      ]),
    ).toEqual([
      [128, 900_000, 256, 10_000],
      [512, 100_000, 256, 10_000],
    ]);
    expect(
      settings.every(({ learningRate, weightDecay }) => learningRate === 1e-4 && weightDecay === 0.01),
    ).toBe(true);
  });

  it('is planned for the published number of parameters', () => {
    const plan = planOf(recipe.name, recipe.model(28_996), settings, 2);
    expect(plan.parameters).toBe(334_661_958);
    expect(plan.tokens).toBe(256 * (900_000 * 128 + 100_000 * 512));
    expect(plan.memory.momentBytes).toBe(334_661_958 * 8);
    expect(plan.disk.checkpointBytes).toBe(334_661_958 * 12);
    const trial = { layers: 24, batchSize: 4, maxSeqLength: 128, updates: 3 };
    const speed = { flopsPerSecond: plan.flops / 7200, parametersPerSecond: (334_661_958 * 1e6) / 3600 };
    expect(hoursOf(plan, { ...trial, ...speed })).toBeCloseTo(3, 9);
  });
});

describe('the phases of a recipe', () => {
  it.each([
    [1_000_000, [900_000, 100_000]],
    [15, [14, 1]],
    [7, [6, 1]],
  ])('of %i updates share them by the 90/10 rule', (numTrainSteps, expected) => {
    const phases = phaseSettings(read('bert-mini-cased-wwm'), { numTrainSteps });
    expect(phases.map((phase) => phase.numTrainSteps)).toEqual(expected);
  });

  it('warm up over a tenth of their updates at the most, unless told', () => {
    const phases = phaseSettings(read('bert-mini-cased-wwm'));
    expect(phases.map((phase) => phase.numWarmupSteps)).toEqual([3600, 400]);
  });

  it('have batches and learning rates of their own where the recipe says so', () => {
    const recipe = read('bert-tiny-cased-wwm');
    const settings = phaseSettings(recipe);
    expect(
      settings.map((phase) => [
        phase.maxSeqLength,
        phase.numTrainSteps,
        phase.trainBatchSize,
        phase.learningRate,
        phase.numWarmupSteps,
      ]),
    ).toEqual([
      [32, 2500, 128, 2e-3, 300],
      [128, 6000, 64, 2e-3, 300],
      [512, 600, 16, 5e-4, 60],
    ]);
    const told = phaseSettings(recipe, { learningRate: 1e-3 });
    expect(told.every(({ learningRate }) => learningRate === 1e-3)).toBe(true);
  });

  it('of no update at all are refused', () => {
    expect(() =>
      phaseSettings(read('bert-mini-cased-wwm'), { numTrainSteps: 2 }),
    ).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: phase 2: num_train_steps: expected at least 1, got a share of 0.1 of 2]`,
    );
  });
});
