/** Names of all ages to today's, with the names transformers gives (scripts/golden/safetensors.py) as the measure. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { canonicalName, tiedName } from '../../src/checkpoint/parameter-names.ts';

const shapes = JSON.parse(readFileSync('test/golden/checkpoint/bert-parameters.json', 'utf8')) as Record<
  'BertModel' | 'BertForPreTraining' | 'BertForQuestionAnswering',
  Record<string, number[]>
>;

describe('canonicalName', () => {
  it('keeps the names of today', () => {
    for (const name of [
      ...Object.keys(shapes.BertForPreTraining),
      ...Object.keys(shapes.BertForQuestionAnswering),
    ]) {
      expect(canonicalName(name)).toBe(name);
    }
  });

  it('brings those of a bare BertModel to the same', () => {
    const withPrefix = Object.keys(shapes.BertForPreTraining).filter((name) => name.startsWith('bert.'));
    expect(Object.keys(shapes.BertModel).map(canonicalName)).toEqual(withPrefix);
  });

  it('and those of the first releases, where LayerNorm had gamma and beta', () => {
    const names = Object.keys(shapes.BertForPreTraining);
    const old = names.map((name) =>
      name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta'),
    );
    expect(old).not.toEqual(names);
    expect(old.map(canonicalName)).toEqual(names);
  });

  it.each([
    ['module.bert.embeddings.LayerNorm.gamma', 'bert.embeddings.LayerNorm.weight'],
    ['_orig_mod.module.encoder.layer.0.output.LayerNorm.beta', 'bert.encoder.layer.0.output.LayerNorm.bias'],
    ['encoder.layer.0.output.dense.weight_scale', 'bert.encoder.layer.0.output.dense.weight_scale'],
    ['bert.embeddings.position_ids', undefined],
    ['embeddings.position_ids', undefined],
    ['module.bert.embeddings.token_type_ids', undefined],
    // Only whole components, and only LayerNorm's, are renamed.
    ['adapter.gamma', 'adapter.gamma'],
    ['adapter.MyLayerNorm.gamma', 'adapter.MyLayerNorm.gamma'],
    ['LayerNorm.gamma.extra', 'LayerNorm.gamma.extra'],
    ['encoder', 'encoder'],
    ['constructor', 'constructor'],
    ['', ''],
  ])('%j is %j', (stored, canonical) => {
    expect(canonicalName(stored)).toBe(canonical);
  });
});

it('tiedName pairs the decoder of the masked-token head with what it shares', () => {
  expect(tiedName('cls.predictions.decoder.weight')).toBe('bert.embeddings.word_embeddings.weight');
  expect(tiedName('bert.embeddings.word_embeddings.weight')).toBe('cls.predictions.decoder.weight');
  expect(tiedName('cls.predictions.bias')).toBe('cls.predictions.decoder.bias');
  expect(tiedName('cls.predictions.transform.dense.bias')).toBeUndefined();
});
