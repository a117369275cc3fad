/** Model directories: what is found, and how what is not found is told. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModelWeights, readModelDirectory } from '../../src/checkpoint/model-directory.ts';
import { MAX_TEXT_BYTES, readTextFile } from '../../src/checkpoint/text-file.ts';
import { temporaryDirectory } from './temporary-directory.ts';

/** A directory of files with these contents. */
function directoryOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = temporaryDirectory();
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content);
  return directory;
}

const minimal = { 'config.json': '{"hidden_size":6}', 'vocab.txt': '[PAD]\n[UNK]\n' };

describe('readModelDirectory', () => {
  it('reads the texts that are there', async () => {
    const path = directoryOf({
      ...minimal,
      'tokenizer.json': '{"model":{}}',
      'tokenizer_config.json': '{"do_lower_case":false}',
    });
    expect(await readModelDirectory(path)).toEqual({
      path,
      configFile: 'config.json',
      configText: '{"hidden_size":6}',
      vocabText: '[PAD]\n[UNK]\n',
      tokenizerJsonText: '{"model":{}}',
      doLowerCase: false,
    });
  });

  it('is content with either vocabulary', async () => {
    const path = directoryOf({ 'config.json': '{}', 'tokenizer.json': '{}', 'tokenizer_config.json': '{}' });
    expect(await readModelDirectory(path)).toMatchObject({ vocabText: undefined, doLowerCase: undefined });
    expect(await readModelDirectory(directoryOf(minimal))).toMatchObject({ tokenizerJsonText: undefined });
  });

  it("takes Google's name of the configuration where there is no other", async () => {
    const path = directoryOf({ 'bert_config.json': '{"a":1}', 'vocab.txt': '' });
    const google = { configFile: 'bert_config.json', configText: '{"a":1}' };
    expect(await readModelDirectory(path)).toMatchObject(google);
    writeFileSync(join(path, 'config.json'), '{}');
    expect(await readModelDirectory(path)).toMatchObject({ configFile: 'config.json', configText: '{}' });
  });

  it('drops a byte order mark', async () => {
    const path = directoryOf({ ...minimal, 'vocab.txt': '\ufeff[PAD]\n' });
    expect((await readModelDirectory(path)).vocabText).toBe('[PAD]\n');
  });

  it.each<[string, Readonly<Record<string, string | Uint8Array>>, string, string]>([
    [
      'no configuration',
      { 'vocab.txt': '' },
      'not-found',
      ': expected config.json, got no such file in the directory',
    ],
    [
      'no vocabulary',
      { 'config.json': '{}' },
      'not-found',
      ': expected vocab.txt or tokenizer.json, got neither',
    ],
    [
      'a vocabulary in Latin-1',
      { ...minimal, 'vocab.txt': Uint8Array.of(0xe9, 0x0a) },
      'bad-input',
      `${sep}vocab.txt: expected valid UTF-8, got other bytes`,
    ],
    [
      'a configuration cut in a character',
      { ...minimal, 'config.json': Uint8Array.of(0x22, 0xc3) },
      'bad-input',
      `${sep}config.json: expected valid UTF-8, got other bytes`,
    ],
    [
      'do_lower_case as a string',
      { ...minimal, 'tokenizer_config.json': '{"do_lower_case":"false"}' },
      'bad-input',
      `${sep}tokenizer_config.json: do_lower_case: expected true or false, got "false"`,
    ],
    [
      'a tokenizer configuration that is a list',
      { ...minimal, 'tokenizer_config.json': '[]' },
      'bad-input',
      `${sep}tokenizer_config.json: expected an object, got []`,
    ],
  ])('refuses %s', async (_, files, code, message) => {
    const path = directoryOf(files);
    await expect(readModelDirectory(path)).rejects.toMatchObject({
      name: 'BertramError',
      code,
      message: path + message,
    });
  });

  it('refuses a tokenizer configuration that is no JSON', async () => {
    const path = directoryOf({ ...minimal, 'tokenizer_config.json': '{' });
    await expect(readModelDirectory(path)).rejects.toThrow(
      `${join(path, 'tokenizer_config.json')}: expected JSON, got `,
    );
  });

  it('refuses a directory in the place of a file', async () => {
    const path = directoryOf({ 'config.json': '{}' });
    mkdirSync(join(path, 'vocab.txt'));
    await expect(readModelDirectory(path)).rejects.toThrow(
      `${join(path, 'vocab.txt')}: expected a file, got something else`,
    );
  });

  it('refuses what is no directory', async () => {
    await expect(readModelDirectory('no/such/model')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: no/such/model: expected a model directory, got no such directory]`,
    );
    await expect(readModelDirectory('package.json')).rejects.toThrowErrorMatchingInlineSnapshot(
      `[BertramError: package.json: expected a model directory, got a file]`,
    );
    await expect(readModelDirectory('package.json/model')).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('readTextFile', () => {
  it('has a bound, told before anything is read', async () => {
    const path = join(directoryOf({ file: '12345' }), 'file');
    expect(await readTextFile(path, 5)).toBe('12345');
    await expect(readTextFile(path, 4)).rejects.toThrow(`${path}: expected at most 4 bytes, got 5`);
    expect(MAX_TEXT_BYTES).toBe(67_108_864);
  });
});

describe('openModelWeights', () => {
  it.each([
    ['tf_model.h5', 'Keras'],
    ['flax_model.msgpack', 'Flax'],
  ])('does not read %s', async (file, format) => {
    const path = directoryOf({ ...minimal, [file]: '' });
    await expect(openModelWeights(path)).rejects.toMatchObject({
      code: 'unsupported',
      message: `${path}: expected model.safetensors, got ${file}: ${format} weights are not read; transformers converts them`,
    });
  });

  it('says what it looked for when there is nothing', async () => {
    const path = directoryOf(minimal);
    await expect(openModelWeights(path)).rejects.toMatchObject({
      code: 'not-found',
      message: `${path}: expected model.safetensors, pytorch_model.bin, an index of either or a TensorFlow checkpoint, got none`,
    });
    await expect(openModelWeights('no/such/model')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('prefers safetensors to all else, and the single file to shards', async () => {
    const path = directoryOf({
      'pytorch_model.bin': '',
      'model.safetensors.index.json': '{"weight_map":{}}',
    });
    const sharded = await openModelWeights(path);
    expect(sharded.path).toBe(join(path, 'model.safetensors.index.json'));
    await sharded.close();
    writeFileSync(join(path, 'model.safetensors'), '\x02\0\0\0\0\0\0\0{}');
    const single = await openModelWeights(path);
    expect(single.path).toBe(join(path, 'model.safetensors'));
    await single.close();
  });
});
