/** `bertram features`: its JSON lines, its file, and what it refuses. */
import { mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { openSafetensors } from '../../src/checkpoint/index.ts';
import { goldenModel } from '../pipelines/tiny-model.ts';
import { run } from './captured-terminal.ts';

const golden = JSON.parse(await readFile('test/golden/pipelines/features.json', 'utf8')) as {
  readonly texts: {
    text: string | [string, string];
    tokens: string[];
    states: number[][];
    mean: number[][];
  }[];
};
const input = golden.texts
  .map(({ text }) => (typeof text === 'string' ? text : text.join(' ||| ')))
  .join('\n');
const model = ['--model', goldenModel, '--threads', '1', '--max_seq_length', '40'];
const linesOf = (out: string): unknown[] =>
  out
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

let directory: string;
const at = (name: string): string => join(directory, name);
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-features-'));
  await writeFile(at('gap.txt'), 'a\n\nb\n');
  await writeFile(at('texts.txt'), input);
});

interface Line {
  readonly tokens: string[];
  readonly layers: { index: number; values: number[][] }[];
}

describe('prints', () => {
  it('a line of JSON for each line of input, in its order', async () => {
    const { exitCode, out } = await run([
      'features',
      '--file',
      at('texts.txt'),
      '--layers',
      '-1,-2',
      '--json',
      ...model,
    ]);
    expect(exitCode).toBe(0);
    const lines = linesOf(out) as Line[];
    expect(lines).toHaveLength(golden.texts.length);
    lines.forEach(({ tokens, layers }, i) => {
      expect(tokens).toEqual(golden.texts[i]!.tokens);
      expect(layers.map(({ index }) => index)).toEqual([-1, -2]);
      for (const { index, values } of layers) {
        expect(values).toHaveLength(tokens.length);
        const expected = golden.texts[i]!.states.at(index)!;
        values.flat().forEach((value, k) => expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-4));
      }
    });
  });

  it('one vector a line where it is pooled, from standard input', async () => {
    const { out, err } = await run(['features', '--layers=-1', '--pooling', 'mean', ...model], { input });
    const lines = linesOf(out) as { layers: { values: number[] }[] }[];
    lines.forEach(({ layers }, i) => {
      const expected = golden.texts[i]!.mean.at(-1)!;
      layers[0]!.values.forEach((value, k) => expect(Math.abs(value - expected[k]!)).toBeLessThan(1e-4));
    });
    expect(err).toBe(
      'warning: standard input: 2 lines, the first of them 2, were cut: 30 pieces were not read (--max-seq-length)\n',
    );
  });

  it('the form of extract_features.py, with its four layers and its misspelling', async () => {
    const { out } = await run(['features', '--format', 'google', '--layers', '-1,-2', ...model], {
      input: 'Ada\n',
    });
    const [line] = linesOf(out) as { linex_index: number; features: { token: string; layers: object[] }[] }[];
    expect(line!.linex_index).toBe(0);
    expect(line!.features.map(({ token }) => token)).toEqual(['[CLS]', 'A', '##d', '##a', '[SEP]']);
    const own = linesOf(
      (await run(['features', '--layers', '-1,-2', ...model], { input: 'Ada\n' })).out,
    )[0] as Line;
    line!.features.forEach(({ layers }, i) =>
      expect(layers).toEqual(own.layers.map(({ index, values }) => ({ index, values: values[i] }))),
    );
  });

  it('nothing for no lines', async () => {
    expect(await run(['features', ...model.slice(0, 4)], { input: '' })).toEqual({
      exitCode: 0,
      out: '',
      err: '',
    });
  });
});

it('writes a safetensors file', async () => {
  const { exitCode, out } = await run([
    'features',
    '--file',
    at('texts.txt'),
    '--layers',
    '0',
    '--output',
    at('x.safetensors'),
    ...model,
  ]);
  expect({ exitCode, out }).toEqual({ exitCode: 0, out: '' });
  const source = await openSafetensors(at('x.safetensors'));
  const values = await source.readFloat32('features');
  golden.texts[0]!.states[0]!.forEach((value, i) => expect(Math.abs(values[i]! - value)).toBeLessThan(1e-4));
  await source.close();
});

describe('refuses in one line', () => {
  it.each<[string[], string]>([
    [['--layers', '3'], 'layers: expected numbers from -3 to 2, got 3'],
    [['--layers', 'top'], '--layers: expected numbers such as -1,-2, got "top"'],
    [['--layers', '-1,'], '--layers: expected numbers such as -1,-2, got "-1,"'],
    [['--pooling', 'max'], '--pooling: expected one of none, cls, mean, got max'],
    [['--file', 'DIR/none'], 'DIR/none: cannot be read: no such file or directory (ENOENT)'],
    [['--file', 'DIR/gap.txt'], 'DIR/gap.txt: line 2: expected a text, got an empty line'],
    [
      ['--file', 'DIR/gap.txt', '--output', 'DIR/y.safetensors'],
      'DIR/gap.txt: line 2: expected a text, got an empty line',
    ],
    [
      ['--format', 'google', '--pooling', 'cls'],
      '--format google: expected JSON lines with a vector for each token, got --pooling cls',
    ],
    [
      ['--max-seq-length', '2', '--file', 'DIR/texts.txt'],
      'maxLength: expected an integer of at least 3, got 2',
    ],
  ])('%j', async (args, message) => {
    const located = args.map((arg) => arg.replace('DIR', directory));
    const { exitCode, out, err } = await run(['features', ...model, ...located]);
    expect({ exitCode, out, err: err.replaceAll(directory, 'DIR') }).toEqual({
      exitCode: 2,
      out: '',
      err: `bertram features: ${message}\n`,
    });
    expect((await readdir(directory)).filter((name) => name.includes('y.safetensors'))).toEqual([]);
  });
});
