/**
 * The gradients of a whole model against PyTorch's autograd: a BertForQuestionAnswering of awkward sizes, with padding
 * and repeated ids, without dropout (the fused attention) and with given masks.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { bertConfigOf, loadBertParameters, type BertConfig } from '../../src/bert/index.ts';
import { openSafetensors, readModelDirectory } from '../../src/checkpoint/index.ts';
import { evaluateDim, type Tensor } from '../../src/graph/index.ts';
import type { DropoutSite } from '../../src/nn/index.ts';
import { compile, type Feeds, type HostTensor } from '../../src/runtime/index.ts';
import { questionAnsweringObjective } from '../../src/squad/fine-tuning.ts';
import type { Objective } from '../../src/training/index.ts';

const GOLDEN = 'test/golden/training';
const golden = JSON.parse(readFileSync(`${GOLDEN}/gradients.json`, 'utf8')) as {
  readonly batch: Readonly<Record<string, number[] | number[][]>>;
  readonly rates: { readonly hidden_dropout_prob: number; readonly attention_probs_dropout_prob: number };
  /** Shape and rate of each use of dropout, in order. */
  readonly sites: readonly (readonly number[])[];
  readonly losses: { readonly plain: number; readonly dropout: number };
};
const sizes = new Map([
  ['B', 13],
  ['S', 7],
]);

/** `keep_mask` of `scripts/golden/gradients.py`. */
function keepMask(site: number, shape: readonly number[]): HostTensor<Uint8Array> {
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Uint8Array.from({ length: count }, (_, place) => {
    const hashed = (Math.imul(place, 0x9e3779b1) + site * 40503 + 12345) >>> 0;
    return Number((hashed >>> 16) % 10 !== 0);
  });
  return { data, shape };
}

const shapeOf = (site: DropoutSite): number[] => site.shape.map((dim) => evaluateDim(dim, sizes));

const batch: Feeds = Object.fromEntries(
  Object.entries(golden.batch).map(([name, rows]) => {
    const shape = name.endsWith('positions') ? [13] : [13, 7];
    return [name, { data: Int32Array.from(rows.flat()), shape }];
  }),
);

let config: BertConfig;
let parameters: Readonly<Record<string, HostTensor>>;
/** By parameter name, after `plain.` or `dropout.`. */
const expected = new Map<string, Float32Array>();

beforeAll(async () => {
  const model = await readModelDirectory(`${GOLDEN}/model`);
  const { hidden_dropout_prob: hiddenDropoutProb, attention_probs_dropout_prob: attentionProbsDropoutProb } =
    golden.rates;
  config = { ...bertConfigOf(model), hiddenDropoutProb, attentionProbsDropoutProb };
  const declared = questionAnsweringObjective(config).parameters;
  const loaded = await loadBertParameters(model, declared);
  parameters = Object.fromEntries(
    declared.map(({ name, shape }) => [name, { data: loaded.parameters.get(name)!, shape }]),
  );
  const source = await openSafetensors(`${GOLDEN}/gradients.safetensors`);
  for (const name of source.tensors.keys()) expected.set(name, await source.readFloat32(name));
  await source.close();
});
afterAll(() => {
  expected.clear();
});

const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));

/**
 * Softmax does not see what shifts all its scores alike, so these have no gradient but rounding errors. (The last
 * LayerNorm's bias shifts the logits of all positions.)
 */
const WITHOUT_GRADIENT = [
  'bert.encoder.layer.0.attention.self.key.bias',
  'bert.encoder.layer.1.attention.self.key.bias',
  'bert.encoder.layer.1.output.LayerNorm.bias',
  'qa_outputs.bias',
];

/** The norm of each parameter's error, as a part of the norm expected; where that is 0, of the norm of all gradients. */
function errorsOf(
  gradients: Readonly<Record<string, HostTensor>>,
  kind: 'plain' | 'dropout',
): [string, number][] {
  const names = Object.keys(parameters);
  const ofAll = norm(names.map((name) => norm(expected.get(`${kind}.${name}`)!)));
  return names.map((name) => {
    const want = expected.get(`${kind}.${name}`)!;
    const got = gradients[`gradient of ${name}`]!.data as Float32Array;
    const error = norm(got.map((value, i) => value - want[i]!));
    return [name, error / (WITHOUT_GRADIENT.includes(name) ? ofAll : norm(want))];
  });
}

/** The loss and every gradient, at a number of threads. */
async function run(objective: Objective, feeds: Feeds, threads: number): Promise<Record<string, HostTensor>> {
  const wanted = objective.parameters.map(({ tensor }) => tensor);
  const results: Record<string, Tensor> = { loss: objective.loss };
  gradient(objective.loss, wanted).forEach((g, i) => {
    results[`gradient of ${objective.parameters[i]!.name}`] = g;
  });
  const program = await compile(results, { threads });
  onTestFinished(() => program.release());
  return program.run({ ...batch, ...feeds, ...parameters });
}

describe.each([1, 2])('on %i threads', (threads) => {
  it.each(['plain', 'dropout'] as const)('loss and gradients are those of PyTorch: %s', async (kind) => {
    const isPlain = kind === 'plain';
    const objective = questionAnsweringObjective(
      isPlain ? { ...config, hiddenDropoutProb: 0, attentionProbsDropoutProb: 0 } : config,
    );
    const masks = objective.dropout.sites.map((site, i) => [site.name, keepMask(i, shapeOf(site))]);
    const results = await run(objective, Object.fromEntries(masks) as Feeds, threads);
    expect(Number(results['loss']!.data[0])).toBeCloseTo(golden.losses[kind], 5);
    const errors = errorsOf(results, kind);
    expect(errors).toHaveLength(39);
    expect(errors.filter(([, error]) => !(error < 1e-5))).toEqual([]);
  });
});

describe('the model', () => {
  it('uses dropout where transformers does, at its rates', () => {
    const { sites } = questionAnsweringObjective(config).dropout;
    expect(sites.map((site) => [...shapeOf(site), site.rate])).toEqual(golden.sites);
  });

  it.each(['plain', 'dropout'])('has no parameter that the loss does not reach: %s', (kind) => {
    const unreached = Object.keys(parameters).filter((name) => norm(expected.get(`${kind}.${name}`)!) < 1e-3);
    expect(unreached).toEqual(WITHOUT_GRADIENT);
  });
});

describe('the comparison', () => {
  it('notices masks in another order, a position off by one, and padding that is not masked', async () => {
    const objective = questionAnsweringObjective(config);
    const masks = objective.dropout.sites.map((site, i) => [site.name, keepMask(i, shapeOf(site))] as const);
    const swapped = objective.dropout.sites.map((site, i) => {
      const other = i === 0 ? 2 : i === 2 ? 0 : i;
      return [site.name, keepMask(other, shapeOf(site))] as const;
    });
    const { start_positions: starts, attention_mask: mask } = batch as Record<string, HostTensor<Int32Array>>;
    const later = { data: starts!.data.map((at) => Math.max(0, at - 1)), shape: starts!.shape };
    const unmasked = { data: mask!.data.map(() => 1), shape: mask!.shape };
    const fed = [
      Object.fromEntries(swapped),
      { ...Object.fromEntries(masks), start_positions: later },
      { ...Object.fromEntries(masks), attention_mask: unmasked },
    ];
    for (const feeds of fed) {
      const errors = errorsOf(await run(objective, feeds, 1), 'dropout');
      expect(errors.filter(([, error]) => error > 1e-2).length).toBeGreaterThan(30);
    }
  });
});
