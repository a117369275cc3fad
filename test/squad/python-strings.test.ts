import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import {
  formatPythonFloat,
  formatPythonString,
  removePunctuation,
  replaceArticles,
  splitOnSpaces,
} from '../../src/squad/python-strings.ts';
import { golden } from './shared-sets.ts';

/** Made by CPython; ranges are [first, last, first, last, ...]. */
interface GoldenStrings {
  readonly spaces: number[];
  readonly words: number[];
  readonly unassigned: number[];
  readonly lower_digest: string;
  readonly floats: [number, string][];
  readonly strings: [string, string][];
}

const python = golden('python-strings') as GoldenStrings;

function codePoints(ranges: readonly number[]): Set<number> {
  const points = new Set<number>();
  for (let i = 0; i < ranges.length; i += 2) {
    for (let code = ranges[i]!; code <= ranges[i + 1]!; code++) points.add(code);
  }
  return points;
}

const unassigned = codePoints(python.unassigned);

/** The characters that Python's Unicode version knows. */
const characters = Array.from({ length: 0x110000 }, (_, code) => code)
  .filter((code) => !(code >= 0xd800 && code < 0xe000) && !unassigned.has(code))
  .map((code) => String.fromCodePoint(code));

describe('characters, all that Python knows', () => {
  it('are white space where str.split says so', () => {
    const found = characters.filter((character) => splitOnSpaces(`a${character}b`).length === 2);
    expect(found).toEqual([...codePoints(python.spaces)].map((code) => String.fromCodePoint(code)));
  });

  it(String.raw`are word characters where \w says so`, () => {
    const words = codePoints(python.words);
    const differing = characters.filter((character) => {
      const isWord = replaceArticles(`${character}a`) === `${character}a`;
      return isWord !== words.has(character.codePointAt(0)!) && character !== 'a';
    });
    expect(differing).toEqual([]);
  });

  it('have the lower case that str.lower gives them', () => {
    const lower = characters.map((character) => character.toLowerCase()).join('\n');
    expect(createHash('sha256').update(lower).digest('hex')).toBe(python.lower_digest);
  });

  it('are punctuation in ASCII only', () => {
    const punctuation = characters.filter((character) => removePunctuation(character) === '');
    expect(punctuation.join('')).toBe('!"#$%&\'()*+,-./:;<=>?@[\\]^_`{|}~');
  });
});

describe('json.dumps', () => {
  it.each(python.floats)('writes %f as Python does', (value, text) =>
    expect(formatPythonFloat(value)).toBe(text),
  );

  it('writes numbers that are none as Python does', () => {
    expect([NaN, Infinity, -Infinity].map(formatPythonFloat)).toEqual(['NaN', 'Infinity', '-Infinity']);
  });

  it.each(python.strings)('escapes %j as Python does', (value, text) => {
    expect(formatPythonString(value)).toBe(text);
  });
});
