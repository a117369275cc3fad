import { beforeAll, describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { input, linear, multiply, sum } from '../../src/graph/index.ts';
import { lower } from '../../src/onnx/index.ts';
import { compile, type HostTensor } from '../../src/runtime/index.ts';
import { Random } from '../../src/support/random.ts';

const [B, S, I, O] = [5, 13, 96, 80];

const random = new Random(11);
const normal = (shape: readonly number[], scale = 1): HostTensor<Float32Array> => ({
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.nextNormal() * scale),
  shape,
});

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (x: Float32Array, y: Float32Array): number =>
    x.reduce((total, value, i) => total + value * y[i]!, 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

describe('int8 products of training (SwitchBack)', () => {
  const x = input('x', 'float32', ['B', 'S', I]);
  const weight = input('weight', 'float32', [O, I]);
  const bias = input('bias', 'float32', [O]);
  const y = linear(x, weight, bias);
  const target = input('target', 'float32', ['B', 'S', O]);
  const loss = sum(multiply(y, target));
  const [dx, dWeight, dBias] = gradient(loss, [x, weight, bias]);
  const outputs = { y, dx: dx!, dWeight: dWeight!, dBias: dBias! };
  const feeds = {
    x: normal([B, S, I]),
    // Rows of very different size, as after training: one scale for the whole matrix would lose the small ones.
    weight: normal([O, I]),
    bias: normal([O]),
    target: normal([B, S, O]),
  };
  feeds.weight.data.forEach((_, i, all) => (all[i]! *= 10 ** ((Math.floor(i / I) % 5) - 2)));
  // Upstream gradients of very different size, as those of a batch's tokens are.
  feeds.target.data.forEach((_, i, all) => (all[i]! *= 2 ** -(Math.floor(i / O) % 8)));
  // A row of zeros must not divide by a scale of zero.
  feeds.x.data.fill(0, 0, I);
  type Results = Record<keyof typeof outputs, HostTensor<Float32Array>>;
  let exact: Results;
  let int8: Results;

  beforeAll(async () => {
    exact = (await (await compile(outputs)).run(feeds)) as Results;
    int8 = (await (await compile(outputs, { linearPrecision: 'int8' })).run(feeds)) as Results;
  });

  it('is what the lowered model does, and only where it was asked for', () => {
    const text = (linearPrecision: 'float32' | 'int8'): string =>
      new TextDecoder('latin1').decode(lower(outputs, { linearPrecision }).bytes);
    expect(text('int8').split('MatMulIntegerToFloat').length - 1).toBe(4);
    expect(text('float32')).not.toContain('MatMulIntegerToFloat');
  });

  it.each(['y', 'dx'] as const)('%s differs from float32 by rounding alone', (name) => {
    expect(int8[name].data).not.toEqual(exact[name].data);
    expect(int8[name].data.every(Number.isFinite)).toBe(true);
    expect(cosine(int8[name].data, exact[name].data)).toBeGreaterThan(0.9995);
  });

  it('keeps rows of small weights as precise as rows of large ones', () => {
    for (let o = 0; o < O; o++) {
      const column = (from: Results): Float32Array =>
        Float32Array.from(
          { length: B * S - 1 },
          (_, row) => from.y.data[(row + 1) * O + o]! - feeds.bias.data[o]!,
        );
      expect(cosine(column(int8), column(exact))).toBeGreaterThan(0.999);
    }
  });

  it('sums the gradient of the weight with 16 bits of the upstream gradient', () => {
    expect(int8.dWeight.data).not.toEqual(exact.dWeight.data);
    expect(cosine(int8.dWeight.data, exact.dWeight.data)).toBeGreaterThan(0.9999);
  });

  it('computes the gradient of the bias in float32', () => {
    expect(int8.dBias.data).toEqual(exact.dBias.data);
  });
});
