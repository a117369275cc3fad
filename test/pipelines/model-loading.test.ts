/** Models from directories: the precisions they can be loaded in, and what is refused. */
import { cp, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  isCased,
  loadQuestionAnsweringModel,
  openModelDirectory,
  type QuestionAnsweringModel,
} from '../../src/pipelines/index.ts';
import { Vocabulary } from '../../src/tokenizers/index.ts';
import { characterVocabulary, goldenModel, writeTinyModel } from './tiny-model.ts';

const window = {
  inputIds: Int32Array.of(2, 9, 11, 3, 8, 20, 30, 41, 3),
  tokenTypeIds: Uint8Array.of(0, 0, 0, 0, 1, 1, 1, 1, 1),
};

async function logitsOf(model: QuestionAnsweringModel): Promise<number[]> {
  const [logits] = await model.logits([window]);
  await model.release();
  return [...logits!.startLogits, ...logits!.endLogits];
}

function largestDifference(a: readonly number[], b: readonly number[]): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe('precision', () => {
  it('is that of the directory unless told', async () => {
    const floats = await loadQuestionAnsweringModel({ model: await writeTinyModel(), threads: 1 });
    const integers = await loadQuestionAnsweringModel({
      model: await writeTinyModel({ int8: true }),
      threads: 1,
    });
    expect(floats.precision).toBe('float32');
    expect(integers.precision).toBe('int8');
  });

  it('int8 of a float model is the int8 model that would have been stored', async () => {
    const quantizedNow = await loadQuestionAnsweringModel({
      model: await writeTinyModel(),
      precision: 'int8',
      threads: 1,
    });
    const stored = await loadQuestionAnsweringModel({
      model: await writeTinyModel({ int8: true }),
      threads: 1,
    });
    expect(quantizedNow.precision).toBe('int8');
    expect(await logitsOf(quantizedNow)).toEqual(await logitsOf(stored));
  });

  it('differs by what rounding to 8 bits does, and no more', async () => {
    const model = await writeTinyModel();
    const exact = await logitsOf(await loadQuestionAnsweringModel({ model, threads: 1 }));
    const int8 = await logitsOf(await loadQuestionAnsweringModel({ model, precision: 'int8', threads: 1 }));
    const weightsOnly = await logitsOf(
      await loadQuestionAnsweringModel({
        model: await writeTinyModel({ int8: true }),
        precision: 'float32',
        threads: 1,
      }),
    );
    const spread = Math.max(...exact) - Math.min(...exact);
    expect(largestDifference(exact, weightsOnly)).toBeGreaterThan(0);
    expect(largestDifference(exact, weightsOnly)).toBeLessThan(0.05 * spread);
    expect(largestDifference(exact, int8)).toBeLessThan(0.15 * spread);
  });
});

describe('batches', () => {
  const long = { inputIds: new Int32Array(60).map((_, i) => 5 + i), tokenTypeIds: new Uint8Array(60) };

  it('do not change int8 logits at all', async () => {
    const model = await loadQuestionAnsweringModel({
      model: await writeTinyModel({ int8: true }),
      threads: 1,
    });
    const [alone] = await model.logits([window]);
    const [, beside] = await model.logits([long, window]);
    expect(beside).toEqual(alone);
  });

  it('change float32 logits by rounding only', async () => {
    const model = await loadQuestionAnsweringModel({ model: await writeTinyModel(), threads: 1 });
    const [alone] = await model.logits([window]);
    const [, beside] = await model.logits([long, window]);
    expect(largestDifference([...alone!.startLogits], [...beside!.startLogits])).toBeLessThan(1e-5);
  });
});

describe('isCased', () => {
  it.each([
    { tokens: ['[PAD]', '[UNK]', '[CLS]', 'a', '##b', 'É'], cased: true },
    { tokens: ['[PAD]', '[UNK]', '[CLS]', 'a', '##b', 'é', '[unused1]'], cased: false },
  ])('$tokens', ({ tokens, cased }) => {
    expect(isCased(Vocabulary.parse(tokens.join('\n')))).toBe(cased);
  });
});

describe('refusals', () => {
  it.each([
    {
      name: 'google-bert/bert-large-cased',
      message:
        'model "google-bert/bert-large-cased": expected a directory, got a Hub name; downloading is not supported yet',
      code: 'unsupported',
    },
    {
      name: 'no-such-directory',
      message: 'no-such-directory: expected a model directory, got no such directory',
      code: 'not-found',
    },
    {
      name: './no/such',
      message: './no/such: expected a model directory, got no such directory',
      code: 'not-found',
    },
    {
      name: 'package.json',
      message: 'package.json: expected a model directory, got a file',
      code: 'bad-input',
    },
  ])('$message', async ({ name, message, code }) => {
    await expect(openModelDirectory(name)).rejects.toMatchObject({ code, message });
  });

  const broken: { what: string; breaks: (directory: string) => Promise<void>; message: string }[] = [
    {
      what: 'no weights',
      breaks: (directory) => rm(join(directory, 'model.safetensors')),
      message:
        'DIR: expected model.safetensors, pytorch_model.bin, an index of either or a TensorFlow checkpoint, got none',
    },
    {
      what: 'no configuration',
      breaks: (directory) => rm(join(directory, 'config.json')),
      message: 'DIR: expected config.json, got no such file in the directory',
    },
    {
      what: 'no vocabulary',
      breaks: (directory) => rm(join(directory, 'vocab.txt')),
      message: 'DIR: expected vocab.txt or tokenizer.json, got neither',
    },
    {
      what: 'a configuration of another size',
      breaks: (directory) => changeConfig(directory, { hidden_size: 64 }),
      message:
        'DIR/model.safetensors: parameter "bert.embeddings.word_embeddings.weight": expected shape [99,64], got [99,32]',
    },
    {
      what: 'a configuration of more layers',
      breaks: (directory) => changeConfig(directory, { num_hidden_layers: 3 }),
      message:
        'DIR: expected all 55 parameters, got none for bert.encoder.layer.2.attention.self.query.weight, ' +
        'bert.encoder.layer.2.attention.self.query.bias, bert.encoder.layer.2.attention.self.key.weight and 13 more',
    },
    {
      what: 'one type of token',
      breaks: (directory) => changeConfig(directory, { type_vocab_size: 1 }),
      message:
        'DIR/model.safetensors: parameter "bert.embeddings.token_type_embeddings.weight": expected shape [1,32], got [2,32]',
    },
    {
      what: 'a larger vocabulary than the embeddings have rows',
      breaks: (directory) => writeFile(join(directory, 'vocab.txt'), `${characterVocabulary.join('\n')}\n`),
      message: `DIR: vocabulary: expected at most the 99 entries of vocab_size, got ${characterVocabulary.length}`,
    },
    {
      what: 'truncated weights',
      breaks: (directory) => truncate(join(directory, 'model.safetensors'), 5000),
      message: expect.stringMatching(/^DIR\/model.safetensors: .*expected.*got.*$/) as string,
    },
  ];
  it.each(broken)('$what', async ({ breaks, message }) => {
    const directory = await copyOfGoldenModel();
    await breaks(directory);
    const error = await loadQuestionAnsweringModel({ model: directory }).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect({ message: (error as Error).message.replaceAll(directory, 'DIR') }).toEqual({ message });
  });

  it('weights that are not numbers', async () => {
    const model = await writeTinyModel({
      alter: (name, values) => {
        if (name === 'qa_outputs.bias') values[1] = NaN;
      },
    });
    await expect(loadQuestionAnsweringModel({ model })).rejects.toThrow(
      'parameter "qa_outputs.bias": expected finite values, got NaN at index 1',
    );
  });

  it('a precision that there is not', async () => {
    const options = { model: goldenModel, precision: 'int4' as 'int8' };
    await expect(loadQuestionAnsweringModel(options)).rejects.toThrow(
      'precision: expected float32 or int8, got "int4"',
    );
  });
});

async function copyOfGoldenModel(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'bertram-broken-'));
  for (const file of ['config.json', 'vocab.txt', 'model.safetensors']) {
    await cp(join(goldenModel, file), join(directory, file));
  }
  return directory;
}

async function changeConfig(directory: string, fields: object): Promise<void> {
  const path = join(directory, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as object;
  await writeFile(path, JSON.stringify({ ...config, ...fields }));
}
