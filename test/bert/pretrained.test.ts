import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  bertConfigOf,
  bertForQuestionAnswering,
  bertInputs,
  loadBertParameters,
  saveBert,
} from '../../src/bert/index.ts';
import { readModelDirectory, type TensorToWrite } from '../../src/checkpoint/index.ts';
import { Dropout, Parameters, zeros, type Parameter } from '../../src/nn/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const MODEL = 'test/golden/training/model';
const model = await readModelDirectory(MODEL);
const config = bertConfigOf(model);

function declared(): readonly Parameter[] {
  const parameters = new Parameters();
  bertForQuestionAnswering(parameters, config, bertInputs(), new Dropout({ training: false }));
  return parameters.all;
}

/** With parameters that the model does not have. */
function withMore(...names: string[]): readonly Parameter[] {
  const more = new Parameters();
  for (const name of names) more.declare(name, [2], zeros);
  return [...declared(), ...more.all];
}

describe('loadBertParameters', () => {
  it('loads every parameter of the graph, into the arrays it is given', async () => {
    const into = new Float32Array(2);
    const loaded = await loadBertParameters(model, declared(), {
      into: (name) => (name === 'qa_outputs.bias' ? into : undefined),
    });
    expect(loaded.parameters.size).toBe(39);
    expect(loaded.unexpected).toEqual([]);
    expect(loaded.parameters.get('qa_outputs.bias')).toBe(into);
    expect(into.every((value) => value !== 0)).toBe(true);
  });

  it('names the parameters that are missing, but lets those pass that may be', async () => {
    const more = withMore('cls.a', 'cls.b', 'head.c', 'head.d', 'head.e');
    await expect(loadBertParameters(model, more)).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: test/golden/training/model: expected all 44 parameters, got none for cls.a, cls.b, head.c and 2 more]`,
    );
    await expect(
      loadBertParameters(model, more, { mayMiss: ['head.'] }),
    ).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: test/golden/training/model: expected all 44 parameters, got none for cls.a, cls.b]`,
    );
    const loaded = await loadBertParameters(model, more, { mayMiss: ['head.', 'cls.'] });
    expect(loaded.missing).toHaveLength(5);
  });
});

describe('saveBert', () => {
  it('writes a model directory that reads back as it was', async () => {
    const directory = join(temporaryDirectory(), 'new', 'model');
    const parameters = declared();
    const { parameters: values } = await loadBertParameters(model, parameters);
    const tensors = parameters.map(({ name, shape }): TensorToWrite => ({
      name,
      dtype: 'F32',
      shape,
      data: values.get(name)!,
    }));
    const vocabulary = { ...model, doLowerCase: true };
    await saveBert(directory, { architecture: 'BertForQuestionAnswering', config, vocabulary }, tensors);
    const again = await readModelDirectory(directory);
    expect(bertConfigOf(again)).toEqual(config);
    expect(again).toMatchObject({
      vocabText: model.vocabText,
      tokenizerJsonText: undefined,
      doLowerCase: true,
    });
    expect((await loadBertParameters(again, parameters)).parameters).toEqual(values);
    expect(JSON.parse(readFileSync(join(directory, 'tokenizer_config.json'), 'utf8'))).toEqual({
      tokenizer_class: 'BertTokenizer',
      do_lower_case: true,
      model_max_length: 48,
    });
  });
});

describe('bertConfigOf', () => {
  it('refuses a config.json that is no JSON', async () => {
    const directory = temporaryDirectory();
    cpSync(MODEL, directory, { recursive: true });
    writeFileSync(join(directory, 'config.json'), '{ "hidden_size": 32,');
    const broken = await readModelDirectory(directory);
    expect(() => bertConfigOf({ ...broken, path: 'model' })).toThrowErrorMatchingInlineSnapshot(
      `[BertramError: model/config.json: expected JSON, got Expected double-quoted property name in JSON at position 20]`,
    );
  });
});
