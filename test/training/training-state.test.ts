import { describe, expect, it } from 'vitest';
import { Parameters, truncatedNormal, zeros } from '../../src/nn/index.ts';
import { TrainingState } from '../../src/training/index.ts';
import { classifier } from './classifier.ts';
import { parseBertConfig } from '../../src/bert/index.ts';
import { questionAnsweringObjective } from '../../src/squad/fine-tuning.ts';
import { golden } from '../optim/golden.ts';

const bert = questionAnsweringObjective(
  parseBertConfig({
    vocab_size: 99,
    hidden_size: 32,
    num_hidden_layers: 2,
    num_attention_heads: 4,
    intermediate_size: 37,
  }),
);

describe('the groups of a training state', () => {
  const state = new TrainingState(bert.parameters);
  const placeOf = (name: string): { begin: number; end: number } => {
    const { data } = state.viewOf(state.values, name);
    const begin = (data.byteOffset - state.values.byteOffset) / data.BYTES_PER_ELEMENT;
    return { begin, end: begin + data.length };
  };

  it('hold every parameter of BERT whole, in exactly one of them: the one that transformers puts it in', () => {
    for (const { name } of bert.parameters) {
      const { begin, end } = placeOf(name);
      const holding = state.groups.filter((group) => group.begin <= begin && end <= group.end);
      expect(
        holding.map(({ decays }) => decays),
        name,
      ).toEqual([golden.decays[name]]);
    }
  });

  it('are side by side and cover the arrays', () => {
    const [first, second] = state.groups;
    expect([first.begin, second.begin, second.end]).toEqual([0, first.end, state.values.length]);
  });

  it('hold parameters without overlap, each at the next multiple of 64 bytes', () => {
    const places = bert.parameters.map(({ name }) => placeOf(name)).sort((a, b) => a.begin - b.begin);
    places.forEach(({ begin }, i) => {
      expect(begin % 16).toBe(0);
      expect(begin).toBeGreaterThanOrEqual(places[i - 1]?.end ?? 0);
      expect(begin - (places[i - 1]?.end ?? 0)).toBeLessThan(16);
    });
  });
});

describe('TrainingState', () => {
  it('draws the same first values of a parameter whatever else the model has', () => {
    const alone = new Parameters();
    alone.in('head').declare('weight', [4, 6], truncatedNormal(0.5));
    const [one, other] = [classifier().parameters, alone.all].map((parameters) => {
      const state = new TrainingState(parameters);
      state.initialize(5);
      return Array.from(state.viewOf(state.values, 'head.weight').data);
    });
    expect(one).toEqual(other);
    expect(new Set(one).size).toBe(24);
  });

  it('draws other values from another seed, and leaves parameters that are not chosen', () => {
    const state = new TrainingState(classifier().parameters);
    const head = state.viewOf(state.values, 'head.weight').data;
    state.initialize(5);
    const first = Array.from(head);
    state.values.fill(0);
    state.initialize(6, (name) => name.startsWith('head.'));
    expect(Array.from(head)).not.toEqual(first);
    expect(state.viewOf(state.values, 'embedding.weight').data.every((value) => value === 0)).toBe(true);
  });

  it('gives views that write into the flat array, and refuses names it does not have', () => {
    const parameters = new Parameters();
    parameters.declare('x', [2, 3], zeros);
    const state = new TrainingState(parameters.all);
    const view = state.viewOf(state.gradients, 'x');
    view.data.fill(7);
    expect(view.shape).toEqual([2, 3]);
    expect(Array.from(state.gradients)).toEqual([
      ...new Array<number>(6).fill(7),
      ...new Array<number>(10).fill(0),
    ]);
    expect(() => state.viewOf(state.values, 'y')).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: training state: expected a parameter of the model, got y]`,
    );
  });
});
