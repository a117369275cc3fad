/**
 * Every file of the table of malformed files is refused with its line, and nothing else of the kind: see
 * malformed-files.ts. What the library makes of the same files is checked in python-library.test.ts.
 */
import fc from 'fast-check';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/checkpoint/safetensors-reader.ts';
import { openSafetensorsBytes } from '../../src/checkpoint/safetensors-source.ts';
import { BertramError } from '../../src/support/errors.ts';
import { malformedFiles, safetensorsBytes } from './malformed-files.ts';
import { temporaryDirectory } from './temporary-directory.ts';

async function errorOf(bytes: Uint8Array): Promise<unknown> {
  return openSafetensorsBytes(bytes, 'model').then(
    () => 'accepted',
    (error: unknown) => error,
  );
}

describe('refuses', () => {
  it.each(malformedFiles)('$name', async ({ bytes, error }) => {
    expect(await errorOf(bytes)).toEqual(new BertramError('bad-input', `model: ${error}`));
  });

  it('the same from the disk, naming the file', async () => {
    const path = join(temporaryDirectory(), 'model.safetensors');
    for (const { bytes, error } of malformedFiles) {
      writeFileSync(path, bytes);
      await expect(openSafetensors(path)).rejects.toThrow(new BertramError('bad-input', `${path}: ${error}`));
    }
  });

  it('is stricter than the library only for stated reasons', () => {
    const unexplained = malformedFiles.filter(
      ({ library, why }) => (library === 'accepts') !== (why !== undefined),
    );
    expect(unexplained).toEqual([]);
  });
});

describe('accepts what looks odd but is right', () => {
  const one = '"dtype":"F32","shape":[1],"data_offsets":[0,4]';
  it.each([
    ['nothing at all', safetensorsBytes('{}'), []],
    ['empty metadata', safetensorsBytes('{"__metadata__":{}}'), []],
    ['padding', safetensorsBytes('{}      '), []],
    [
      'white space between all',
      safetensorsBytes(' { "a" :\t{ "shape":[ ] ,\r\n"dtype":"U8","data_offsets":[0 , 1]}} '.slice(1), 1),
      ['a'],
    ],
    [
      'fields of later versions',
      safetensorsBytes(`{"a":{${one},"x":[{"y":null},-1.5e-3,true,"\\n"]}}`, 4),
      ['a'],
    ],
    ['names of methods', safetensorsBytes(`{"__proto__":{${one}}}`, 4), ['__proto__']],
    ['a name of no characters', safetensorsBytes(`{"":{${one}}}`, 4), ['']],
    ['a surrogate pair escaped', safetensorsBytes(`{"\\ud83e\\udd17":{${one}}}`, 4), ['🤗']],
    [
      'empty tensors between others',
      safetensorsBytes(
        `{"c":{"dtype":"F32","shape":[0,9007199254740991],"data_offsets":[4,4]},"a":{${one}},"b":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}`,
        4,
      ),
      ['b', 'a', 'c'],
    ],
    [
      'two 4-bit floats in a byte',
      safetensorsBytes('{"a":{"dtype":"F4","shape":[2],"data_offsets":[0,1]}}', 1),
      ['a'],
    ],
    [
      'four 6-bit floats in three',
      safetensorsBytes('{"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]}}', 3),
      ['a'],
    ],
  ])('%s', async (_, bytes, names) => {
    expect([...(await openSafetensorsBytes(bytes)).tensors.keys()]).toEqual(names);
  });
});

it('fails with an error of its own, and never another, on any damage to a good file', async () => {
  const good = safetensorsBytes(
    '{"__metadata__":{"k":"v"},"a":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"I8","shape":[2,1],"data_offsets":[6,8]}}',
    8,
  );
  const damage = fc.record({
    at: fc.nat(good.length - 1),
    byte: fc.nat(255),
    cut: fc.option(fc.nat(good.length)),
  });
  await fc.assert(
    fc.asyncProperty(damage, async ({ at, byte, cut }) => {
      const bytes = good.slice(0, cut ?? good.length);
      if (at < bytes.length) bytes[at] = byte;
      const outcome = await errorOf(bytes);
      expect(outcome === 'accepted' || outcome instanceof BertramError).toBe(true);
      if (cut !== null && cut < good.length) expect(outcome).toBeInstanceOf(BertramError);
    }),
    { numRuns: 2000 },
  );
});
