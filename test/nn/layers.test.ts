/** The layers against PyTorch's numbers (`scripts/golden/gradients.py`), published counts, and their definitions. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { input, type Tensor } from '../../src/graph/index.ts';
import {
  activations,
  countParameters,
  crossEntropy,
  Dropout,
  embeddingLayer,
  layerNormLayer,
  linearLayer,
  multiHeadAttention,
  Parameters,
  truncatedNormal,
} from '../../src/nn/index.ts';
import { Random } from '../../src/support/random.ts';
import { relativeError, runOnEngine } from '../reference/engine-run.ts';
import type { DenseArray } from '../reference/dense-array.ts';

const golden = JSON.parse(readFileSync('test/golden/training/nn.json', 'utf8')) as {
  readonly cross_entropy: {
    readonly logits: readonly number[];
    readonly labels: readonly number[];
    readonly loss: number;
    readonly gradient: readonly number[];
  };
  readonly activations: Readonly<Record<'x' | keyof typeof activations, readonly number[]>>;
};

const array = (shape: readonly number[], numbers: Iterable<number>): DenseArray => ({
  shape,
  data: Float64Array.from(numbers),
});

const normals = (shape: readonly number[], stream: string): DenseArray => {
  const random = new Random(3, stream);
  return array(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.nextNormal()),
  );
};

describe('crossEntropy', () => {
  const { logits, labels, loss: expected, gradient: expectedGradient } = golden.cross_entropy;
  const x = input('logits', 'float32', ['N', 4]);
  const loss = crossEntropy(x, input('labels', 'int32', ['N']));
  const [dLogits] = gradient(loss, [x]) as [Tensor];

  it('and its gradient are those of PyTorch, rows with a label of no class left out', async () => {
    expect(labels).toContain(-100);
    const results = await runOnEngine(
      { loss, dLogits },
      { logits: array([5, 4], logits), labels: array([5], labels) },
    );
    expect(results.loss.data[0]).toBeCloseTo(expected, 6);
    expect(relativeError(results.dLogits, array([5, 4], expectedGradient))).toBeLessThan(1e-6);
  });

  it('is not harmed by large logits', async () => {
    const feeds = { logits: array([1, 4], [1e4, -1e4, 0, 9999]), labels: array([1], [3]) };
    const results = await runOnEngine({ loss }, feeds);
    expect(results.loss.data[0]).toBeCloseTo(Math.log(1 + Math.E), 5);
  });
});

describe('activations', () => {
  it.each(Object.keys(activations) as (keyof typeof activations)[])(
    '%s is that of transformers',
    async (name) => {
      const y = activations[name](input('x', 'float32', ['N']));
      const results = await runOnEngine({ y }, { x: array([9], golden.activations.x) });
      golden.activations[name].forEach((value, i) => {
        expect(results.y.data[i]).toBeCloseTo(value, 6);
      });
    },
  );
});

describe('dropout', () => {
  it('zeroes what the mask drops and scales the rest', async () => {
    const dropout = new Dropout({ training: true });
    const y = dropout.apply(input('x', 'float32', ['B', 4]), 0.2);
    expect(dropout.sites).toEqual([{ name: 'dropout.0', shape: ['B', 4], rate: 0.2 }]);
    const feeds = { x: array([1, 4], [1, 2, 3, -4]), 'dropout.0': array([1, 4], [1, 0, 1, 1]) };
    const results = await runOnEngine({ y }, feeds);
    expect(relativeError(results.y, array([1, 4], [1.25, 0, 3.75, -5]))).toBeLessThan(1e-6);
  });

  it('is nothing at rate 0 and outside training', () => {
    const x = input('x', 'float32', ['B', 4]);
    for (const [training, rate] of [
      [true, 0],
      [false, 0.5],
    ] as const) {
      const dropout = new Dropout({ training });
      expect(dropout.apply(x, rate)).toBe(x);
      expect(dropout.sites).toEqual([]);
    }
  });
});

describe('multiHeadAttention', () => {
  const [query, key, value] = ['query', 'key', 'value'].map((name) =>
    input(name, 'float32', ['B', 'S', 12]),
  ) as [Tensor, Tensor, Tensor];
  const mask = input('mask', 'int32', ['B', 'S']);
  const build = (dropout: Dropout): Tensor =>
    multiHeadAttention(query, key, value, mask, { heads: 3, dropout, rate: 0.5 });
  const feeds = {
    query: normals([2, 5, 12], 'query'),
    key: normals([2, 5, 12], 'key'),
    value: normals([2, 5, 12], 'value'),
    mask: array([2, 5], [1, 1, 1, 1, 1, 1, 1, 1, 0, 0]),
  };
  const fused = build(new Dropout({ training: false }));

  it('is the same with dropout that keeps everything as without, but for its scale', async () => {
    const dropout = new Dropout({ training: true });
    const results = await runOnEngine(
      { fused, composed: build(dropout) },
      { ...feeds, 'dropout.0': array([2, 3, 5, 5], new Array<number>(150).fill(1)) },
    );
    const halved = { ...results.composed, data: results.composed.data.map((x) => x / 2) };
    expect(dropout.sites.map(({ shape }) => shape)).toEqual([['B', 3, 'S', 'S']]);
    expect(relativeError(halved, results.fused)).toBeLessThan(1e-5);
  });

  it('gives to each head its own part, and to padding no weight', async () => {
    const before = (await runOnEngine({ fused }, feeds)).fused;
    const changed = { ...feeds, key: { ...feeds.key, data: feeds.key.data.slice() } };
    // The padding keys of the second row, and head 0 of the first row's first key.
    changed.key.data.fill(9, (5 + 3) * 12);
    changed.key.data.fill(9, 0, 4);
    const after = (await runOnEngine({ fused }, changed)).fused;
    after.data.forEach((value, i) => {
      const isFirstHead = i < 5 * 12 && i % 12 < 4;
      expect(Math.abs(value - before.data[i]!) > 1e-4, `number ${i}`).toBe(isFirstHead);
    });
  });
});

describe('parameters', () => {
  it('are collected under their full names, in order', () => {
    const parameters = new Parameters();
    const encoder = parameters.in('encoder');
    embeddingLayer(encoder.in('words'), 9, 4, 1);
    linearLayer(encoder.in('dense'), 4, 3, 1);
    layerNormLayer(parameters.in('LayerNorm'), 3, 1e-12);
    expect(parameters.all.map(({ name, shape }) => [name, shape])).toEqual([
      ['encoder.words.weight', [9, 4]],
      ['encoder.dense.weight', [3, 4]],
      ['encoder.dense.bias', [3]],
      ['LayerNorm.weight', [3]],
      ['LayerNorm.bias', [3]],
    ]);
    expect(countParameters(parameters.all)).toBe(36 + 12 + 3 + 3 + 3);
    expect(() => linearLayer(encoder.in('dense'), 4, 3, 1)).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: parameter encoder.dense.weight: declared twice]`,
    );
  });

  it('are fed by their names: a linear layer is x weightᵀ + bias', async () => {
    const parameters = new Parameters();
    const y = linearLayer(parameters.in('dense'), 2, 3, 1)(input('x', 'float32', ['B', 2]));
    const feeds = {
      x: array([1, 2], [10, 1]),
      'dense.weight': array([3, 2], [1, 2, 3, 4, 5, 6]),
      'dense.bias': array([3], [0.5, 0, -0.5]),
    };
    const results = await runOnEngine({ y }, feeds);
    expect(Array.from(results.y.data)).toEqual([12.5, 34, 55.5]);
  });

  it('begin as BERT does: LayerNorm as the identity, biases 0', () => {
    const parameters = new Parameters();
    linearLayer(parameters.in('dense'), 2, 3, 1);
    layerNormLayer(parameters.in('LayerNorm'), 3, 1e-12);
    const begun = parameters.all.map(({ name, shape, initializer }) => {
      const values = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(NaN);
      initializer(values, new Random(1));
      return [name, Array.from(values)] as const;
    });
    expect(Object.fromEntries(begun)).toMatchObject({
      'dense.bias': [0, 0, 0],
      'LayerNorm.weight': [1, 1, 1],
      'LayerNorm.bias': [0, 0, 0],
    });
  });
});

describe('truncatedNormal', () => {
  it('has the spread of a normal distribution cut at two deviations', () => {
    const count = 100_000;
    const values = new Float32Array(count);
    truncatedNormal(0.02)(values, new Random(4));
    const mean = values.reduce((a, b) => a + b, 0) / count;
    const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / count;
    const within = values.filter((value) => Math.abs(value) < 0.02).length / count;
    expect(Math.max(...values.map(Math.abs))).toBeLessThanOrEqual(Math.fround(0.04));
    // With density φ and distribution Φ: variance 1 - 4 φ(2) / (2 Φ(2) - 1), and (2 Φ(1) - 1) / (2 Φ(2) - 1) within one deviation.
    expect(Math.abs(mean) / 0.02).toBeLessThan(4 * Math.sqrt(0.7737 / count));
    expect(Math.sqrt(variance) / 0.02).toBeCloseTo(0.8796, 2);
    expect(Math.abs(within - 0.7152)).toBeLessThan(4 * Math.sqrt((0.7152 * 0.2848) / count));
  });
});
