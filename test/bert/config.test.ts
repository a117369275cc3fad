import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  bertEncoder,
  bertForQuestionAnswering,
  bertInputs,
  bertPooler,
  formatBertConfig,
  parseBertConfig,
  presetConfig,
  presetNames,
} from '../../src/bert/index.ts';
import { countParameters, Dropout, Parameters } from '../../src/nn/index.ts';

const written = JSON.parse(readFileSync('test/golden/training/model/config.json', 'utf8')) as Record<
  string,
  unknown
>;

describe('config.json', () => {
  it('written by transformers is read, what it leaves out filled in', () => {
    expect(parseBertConfig(written)).toEqual({
      vocabSize: 99,
      hiddenSize: 32,
      numHiddenLayers: 2,
      numAttentionHeads: 4,
      intermediateSize: 37,
      hiddenAct: 'gelu',
      hiddenDropoutProb: 0.1,
      attentionProbsDropoutProb: 0.1,
      maxPositionEmbeddings: 48,
      typeVocabSize: 2,
      initializerRange: 0.02,
      layerNormEps: 1e-12,
      padTokenId: 0,
    });
  });

  it('comes back from what we write', () => {
    const config = {
      ...parseBertConfig(written),
      hiddenAct: 'gelu_new',
      hiddenDropoutProb: 0.2,
      attentionProbsDropoutProb: 0.3,
      maxPositionEmbeddings: 17,
      typeVocabSize: 3,
      initializerRange: 0.01,
      layerNormEps: 1e-5,
      padTokenId: 4,
    } as const;
    const file: unknown = JSON.parse(JSON.stringify(formatBertConfig(config, 'BertModel')));
    expect(parseBertConfig(file)).toEqual(config);
    expect(file).toMatchObject({ architectures: ['BertModel'], model_type: 'bert' });
  });

  it.each<[string, unknown, string]>([
    ['no object', [1], 'expected object, got [1]'],
    [
      'another kind of model',
      { ...written, model_type: 'roberta' },
      'model_type: expected "bert", got "roberta"',
    ],
    ['no size', { ...written, hidden_size: undefined }, 'hidden_size: expected number, got undefined'],
    [
      'a size of 0',
      { ...written, num_hidden_layers: 0 },
      'num_hidden_layers: expected number to be >0, got 0',
    ],
    ['a size that is no number', { ...written, vocab_size: '99' }, 'vocab_size: expected number, got "99"'],
    [
      'a hidden size that its heads do not divide',
      { ...written, num_attention_heads: 5 },
      'hidden_size: expected a multiple of num_attention_heads 5, got 32',
    ],
    [
      'an unknown activation',
      { ...written, hidden_act: 'swish' },
      'hidden_act: expected one of "gelu"|"relu"|"gelu_new", got "swish"',
    ],
    [
      'relative positions',
      { ...written, position_embedding_type: 'relative_key' },
      'position_embedding_type: expected "absolute", got "relative_key"',
    ],
    ['a decoder', { ...written, is_decoder: true }, 'is_decoder: expected false, got true'],
    [
      'dropout of everything',
      { ...written, hidden_dropout_prob: 1 },
      'hidden_dropout_prob: expected number to be <1, got 1',
    ],
  ])('with %s is refused', (_, json, complaint) => {
    expect(() => parseBertConfig(json, 'model/config.json')).toThrow(`model/config.json: ${complaint}`);
  });
});

describe('the published sizes', () => {
  it.each([
    // Counts of `BertModel` on the Hub: google/bert_uncased_L-2_H-128_A-2, bert-base-uncased, bert-large-uncased.
    { name: 'tiny', count: 4_385_920 },
    { name: 'base', count: 109_482_240 },
    { name: 'large', count: 335_141_888 },
  ] as const)('bert-$name-uncased has $count parameters', ({ name, count }) => {
    const parameters = new Parameters();
    const config = presetConfig(name, 30522);
    const states = bertEncoder(parameters, config, bertInputs(), new Dropout({ training: true }));
    expect(states).toHaveLength(config.numHiddenLayers + 1);
    expect(states.at(-1)!.shape).toEqual(['B', 'S', config.hiddenSize]);
    expect(bertPooler(parameters.in('pooler'), config, states.at(-1)!).shape).toEqual([
      'B',
      config.hiddenSize,
    ]);
    expect(countParameters(parameters.all)).toBe(count);
  });

  it('are valid configurations', () => {
    for (const name of presetNames) {
      const config = presetConfig(name, 30522);
      expect(parseBertConfig(formatBertConfig(config, 'BertModel'))).toEqual(config);
    }
  });
});

describe('question answering', () => {
  it('gives two logits for every token, and has no pooler', () => {
    const parameters = new Parameters();
    const dropout = new Dropout({ training: false });
    const { startLogits, endLogits } = bertForQuestionAnswering(
      parameters,
      parseBertConfig(written),
      bertInputs(),
      dropout,
    );
    expect([startLogits.shape, endLogits.shape]).toEqual([
      ['B', 'S'],
      ['B', 'S'],
    ]);
    expect(parameters.all.filter(({ name }) => name.includes('pooler'))).toEqual([]);
    expect(dropout.sites).toEqual([]);
  });
});
