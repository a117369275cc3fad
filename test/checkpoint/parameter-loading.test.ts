/** Loading parameters: a BERT that transformers saved, in all its spellings; what does not fit is named. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { firstNonFinite } from '../../src/checkpoint/finite-check.ts';
import { openModelWeights } from '../../src/checkpoint/model-directory.ts';
import { loadParameters } from '../../src/checkpoint/parameter-loading.ts';
import type { WantedParameter } from '../../src/checkpoint/parameter-loading.ts';
import { dequantizeRows, quantizeRows } from '../../src/checkpoint/quantized-matrix.ts';
import type { TensorToWrite } from '../../src/checkpoint/safetensors-layout.ts';
import { layOut } from '../../src/checkpoint/safetensors-layout.ts';
import { openSafetensorsBytes } from '../../src/checkpoint/safetensors-source.ts';
import type { WeightSource } from '../../src/checkpoint/weight-source.ts';
import { float32ToBfloat16, float32ToFloat16 } from '../../src/support/float16.ts';

/** The shapes of every parameter of three models, in transformers' order. */
const golden = JSON.parse(readFileSync('test/golden/checkpoint/bert-parameters.json', 'utf8')) as Record<
  'BertModel' | 'BertForPreTraining' | 'BertForQuestionAnswering',
  Record<string, number[]>
>;

function wantedBy(model: keyof typeof golden): WantedParameter[] {
  return Object.entries(golden[model]).map(([name, shape]) => ({ name, shape }));
}

/** Compares with the values the script gave the parameters: parameter k holds sin(golden ratio x (i + 1) + k). */
function expectGoldenValues(
  parameters: ReadonlyMap<string, Float32Array>,
  tolerance: (name: string) => number = () => 1e-7,
): void {
  expect([...parameters.keys()]).toEqual(Object.keys(golden.BertForPreTraining));
  for (const [k, [name, values]] of [...parameters].entries()) {
    const off = values.findIndex(
      (value, i) => !(Math.abs(value - Math.sin(1.618033988749895 * (i + 1) + k)) <= tolerance(name)),
    );
    expect([name, off]).toEqual([name, -1]);
  }
}

/** A source in memory. */
function sourceOf(tensors: readonly TensorToWrite[]): Promise<WeightSource> {
  const layout = layOut(tensors, undefined, 'model');
  const parts = layout.tensors.map(([{ data }]) => {
    if (typeof data === 'function') throw new Error('data made late is for the disk');
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  });
  return openSafetensorsBytes(Buffer.concat([layout.header, ...parts]), 'model');
}

/** The golden BERT's tensors, renamed and changed by `change`; undefined drops one. */
async function changedBert(
  change: (tensor: TensorToWrite & { readonly data: Float32Array }) => TensorToWrite | undefined,
): Promise<WeightSource> {
  const source = await openModelWeights('test/golden/checkpoint/bert');
  const tensors: TensorToWrite[] = [];
  for (const [name, { dtype, shape }] of source.tensors) {
    const changed = change({ name, dtype, shape, data: await source.readFloat32(name) });
    if (changed !== undefined) tensors.push(changed);
  }
  await source.close();
  return sourceOf(tensors);
}

function tensor(name: string, shape: readonly number[], ...values: number[]): TensorToWrite {
  return { name, dtype: 'F32', shape, data: Float32Array.from(values) };
}

describe('a BERT of transformers', () => {
  it('fills every parameter of the same model, with its values', async () => {
    const source = await openModelWeights('test/golden/checkpoint/bert');
    const { parameters, missing, unexpected, quantized } = await loadParameters(
      source,
      wantedBy('BertForPreTraining'),
    );
    expect([missing, unexpected, quantized.size]).toEqual([[], [], 0]);
    expectGoldenValues(parameters);
    await source.close();
  });

  it('says what another model lacks and has left over', async () => {
    const source = await openModelWeights('test/golden/checkpoint/bert');
    const { missing, unexpected } = await loadParameters(source, wantedBy('BertForQuestionAnswering'));
    expect(missing).toEqual(['qa_outputs.weight', 'qa_outputs.bias']);
    expect([...unexpected].sort()).toEqual(
      [...source.tensors.keys()].filter((name) => /^cls|pooler/.test(name)).sort(),
    );
    await source.close();
  });

  it('is the same with the names of the first releases, its buffers, and a wrapper', async () => {
    const old = await changedBert((t) => ({
      ...t,
      name: `module.${t.name
        .replace(/^bert\./, '')
        .replace('LayerNorm.weight', 'LayerNorm.gamma')
        .replace('LayerNorm.bias', 'LayerNorm.beta')}`,
    }));
    const { parameters, missing, unexpected } = await loadParameters(old, wantedBy('BertForPreTraining'));
    expect([missing, unexpected]).toEqual([[], []]);
    expectGoldenValues(parameters);
  });

  it('goes into one flat buffer', async () => {
    const wanted = wantedBy('BertForPreTraining');
    const sizes = wanted.map(({ shape }) => shape.reduce((a, b) => a * b, 1));
    const flat = new Float32Array(sizes.reduce((a, b) => a + b, 0));
    let offset = 0;
    const parts = wanted.map((parameter, i) => {
      const into = flat.subarray(offset, (offset += sizes[i]!));
      return { ...parameter, into };
    });
    const source = await openModelWeights('test/golden/checkpoint/bert');
    const { parameters } = await loadParameters(source, parts);
    for (const { name, into } of parts) expect(parameters.get(name)).toBe(into);
    expectGoldenValues(parameters);
    expect(flat.includes(0)).toBe(false);
    await source.close();
  });

  it('may be stored in halves, brain floats and doubles', async () => {
    const source = await changedBert((t) => {
      if (t.name.includes('query')) return { ...t, dtype: 'F16', data: float32ToFloat16(t.data) };
      if (t.name.includes('key')) return { ...t, dtype: 'BF16', data: float32ToBfloat16(t.data) };
      if (t.name.includes('value')) return { ...t, dtype: 'F64', data: Float64Array.from(t.data) };
      return t;
    });
    const { parameters, missing } = await loadParameters(source, wantedBy('BertForPreTraining'));
    expect(missing).toEqual([]);
    expectGoldenValues(parameters, (name) => {
      return name.includes('query') ? 2 ** -11 : name.includes('key') ? 2 ** -8 : 1e-7;
    });
  });
});

describe('shared parameters', () => {
  const wanted: WantedParameter[] = [
    { name: 'bert.embeddings.word_embeddings.weight', shape: [3, 2] },
    { name: 'cls.predictions.bias', shape: [3] },
  ];
  const words = tensor('bert.embeddings.word_embeddings.weight', [3, 2], 1, 2, 3, 4, 5, 6);
  const bias = tensor('cls.predictions.bias', [3], 7, 8, 9);

  it('may be saved under both names', async () => {
    const source = await sourceOf([
      words,
      bias,
      { ...words, name: 'cls.predictions.decoder.weight' },
      { ...bias, name: 'cls.predictions.decoder.bias' },
    ]);
    const { parameters, missing, unexpected } = await loadParameters(source, wanted);
    expect([missing, unexpected]).toEqual([[], []]);
    expect([...parameters.get('cls.predictions.bias')!]).toEqual([7, 8, 9]);
  });

  it('or under the other name alone', async () => {
    const source = await sourceOf([words, { ...bias, name: 'cls.predictions.decoder.bias' }]);
    const { parameters, missing, unexpected } = await loadParameters(source, wanted);
    expect([missing, unexpected]).toEqual([[], []]);
    expect([...parameters.get('cls.predictions.bias')!]).toEqual([7, 8, 9]);
  });

  it('but not with other values there', async () => {
    const source = await sourceOf([
      words,
      bias,
      tensor('cls.predictions.decoder.weight', [3, 2], 1, 2, 3, 4, 5, 7),
    ]);
    await expect(loadParameters(source, wanted)).rejects.toMatchObject({ code: 'unsupported' });
    await expect(loadParameters(source, wanted)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model: expected "cls.predictions.decoder.weight" to repeat "bert.embeddings.word_embeddings.weight", to which BERT ties it, got other values]`,
    );
  });

  it('that nobody wants are left over like others', async () => {
    const source = await sourceOf([words, tensor('cls.predictions.decoder.weight', [1], 1)]);
    const { unexpected } = await loadParameters(source, []);
    expect(unexpected).toEqual(['bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight']);
  });
});

describe('what is not finite', () => {
  const wanted: WantedParameter[] = [{ name: 'bert.pooler.dense.weight', shape: [2, 3] }];

  it.each([NaN, Infinity, -Infinity])('%s is refused with its place', async (bad) => {
    const source = await sourceOf([tensor('pooler.dense.weight', [2, 3], 1, 2, 3, 4, bad, bad)]);
    await expect(loadParameters(source, wanted)).rejects.toThrow(
      `model: parameter "bert.pooler.dense.weight" (stored as "pooler.dense.weight"): expected finite values, got ${bad} at index 4`,
    );
    const { parameters } = await loadParameters(source, wanted, { allowNonFinite: true });
    expect([...parameters.values()][0]![4]).toBe(bad);
  });

  it('is refused as well when only narrowing to 32 bits made it so', async () => {
    const source = await sourceOf([
      { name: 'bert.pooler.dense.weight', dtype: 'F64', shape: [1], data: Float64Array.of(1e300) },
    ]);
    const loading = loadParameters(source, [{ name: 'bert.pooler.dense.weight', shape: [1] }]);
    await expect(loading).rejects.toThrow('expected finite values, got Infinity at index 0');
  });

  it('is found at every place of arrays of every length', () => {
    const block = 16384;
    for (const length of [0, 1, 2, 3, 4, 5, 7, block - 1, block, block + 1, 2 * block + 3]) {
      const values = new Float32Array(length).fill(3.4e38);
      expect(firstNonFinite(values)).toBe(-1);
      for (const at of [0, 1, 2, 3, 4, block - 1, block, length - 2, length - 1]) {
        if (at < 0 || at >= length) continue;
        for (const bad of [NaN, Infinity, -Infinity]) {
          values[at] = bad;
          expect(firstNonFinite(values)).toBe(at);
        }
        values[at] = -3.4e38;
      }
    }
  });
});

describe('8-bit matrices', () => {
  const floats = Float32Array.from({ length: 15 }, (_, i) => Math.sin(i));
  const matrix = quantizeRows(floats, 3, 5);
  const stored: TensorToWrite[] = [
    { name: 'encoder.layer.0.output.dense.weight', dtype: 'I8', shape: [3, 5], data: matrix.values },
    { name: 'encoder.layer.0.output.dense.weight_scale', dtype: 'F32', shape: [3], data: matrix.scales },
    tensor('encoder.layer.0.output.dense.bias', [3], 1, 2, 3),
  ];
  const wanted: WantedParameter[] = [
    { name: 'bert.encoder.layer.0.output.dense.weight', shape: [3, 5] },
    { name: 'bert.encoder.layer.0.output.dense.bias', shape: [3] },
  ];
  const load = async (tensors: readonly TensorToWrite[]) => loadParameters(await sourceOf(tensors), wanted);

  it('become floats', async () => {
    const { parameters, quantized, missing, unexpected } = await load(stored);
    expect([missing, unexpected, quantized.size]).toEqual([[], [], 0]);
    expect(parameters.get(wanted[0]!.name)).toEqual(dequantizeRows(matrix));
    const into = new Float32Array(15);
    const again = await loadParameters(await sourceOf(stored), [{ ...wanted[0]!, into }]);
    expect(again.parameters.get(wanted[0]!.name)).toBe(into);
    expect(into).toEqual(dequantizeRows(matrix));
  });

  it('or stay as they are', async () => {
    const { parameters, quantized } = await loadParameters(await sourceOf(stored), wanted, {
      keepQuantized: true,
    });
    expect([...quantized]).toEqual([[wanted[0]!.name, matrix]]);
    expect([...parameters.keys()]).toEqual([wanted[1]!.name]);
  });

  it.each<[string, TensorToWrite[], string]>([
    [
      'without scales',
      [stored[0]!],
      'expected scales of its I8 values in "encoder.layer.0.output.dense.weight_scale", got none',
    ],
    [
      'with too few scales',
      [stored[0]!, tensor(stored[1]!.name, [2], 1, 1)],
      '"encoder.layer.0.output.dense.weight_scale": expected shape [3], got [2]',
    ],
    [
      'with a scale of zero',
      [stored[0]!, tensor(stored[1]!.name, [3], 1, 0, 1)],
      'expected positive, finite scales, got 0 at index 1',
    ],
    [
      'with a scale of NaN',
      [stored[0]!, tensor(stored[1]!.name, [3], 1, 1, NaN)],
      'expected positive, finite scales, got NaN at index 2',
    ],
  ])('%s are refused', async (_, tensors, message) => {
    await expect(load(tensors)).rejects.toThrow(message);
  });
});

describe('what does not fit is named', () => {
  it('a shape, with both', async () => {
    const source = await sourceOf([tensor('embeddings.LayerNorm.gamma', [2], 1, 2)]);
    const loading = loadParameters(source, [{ name: 'bert.embeddings.LayerNorm.weight', shape: [2, 1] }]);
    await expect(loading).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model: parameter "bert.embeddings.LayerNorm.weight" (stored as "embeddings.LayerNorm.gamma"): expected shape [2,1], got [2]]`,
    );
  });

  it('an element type', async () => {
    const source = await sourceOf([{ name: 'a', dtype: 'I32', shape: [2], data: new Int32Array(2) }]);
    await expect(
      loadParameters(source, [{ name: 'a', shape: [2] }]),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model: tensor "a": expected a float element type (F32, F16, BF16, F64), got I32]`,
    );
  });

  it('an output', async () => {
    const source = await sourceOf([tensor('a', [2], 1, 2)]);
    const loading = loadParameters(source, [{ name: 'a', shape: [2], into: new Float32Array(3) }]);
    await expect(loading).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model: parameter "a": expected room for 2 values, got 3]`,
    );
  });

  it('two spellings of one parameter', async () => {
    const source = await sourceOf([
      tensor('bert.embeddings.LayerNorm.weight', [1], 1),
      tensor('bert.embeddings.LayerNorm.gamma', [1], 1),
    ]);
    await expect(loadParameters(source, [])).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model: expected one tensor for bert.embeddings.LayerNorm.weight, got both "bert.embeddings.LayerNorm.gamma" and "bert.embeddings.LayerNorm.weight"]`,
    );
  });
});

it('shapes are checked before any tensor is read', async () => {
  const source = await sourceOf([tensor('a', [1], NaN), tensor('b', [1], 1)]);
  const loading = loadParameters(source, [
    { name: 'a', shape: [1] },
    { name: 'b', shape: [2] },
  ]);
  await expect(loading).rejects.toThrow('parameter "b": expected shape [2], got [1]');
});
