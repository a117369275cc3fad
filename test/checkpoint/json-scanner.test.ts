/** The strict scanner against JSON.parse, which it must agree with wherever both accept, and never be laxer than. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonScanner } from '../../src/checkpoint/json-scanner.ts';

/** Skips over a whole text: throws unless it is strict JSON. */
function check(text: string): void {
  const scanner = new JsonScanner(text, 'text');
  scanner.skip();
  scanner.end();
}

/** The text's strings as the scanner reads them, if it is an object of strings. */
function entries(text: string): [string, string][] {
  const found: [string, string][] = [];
  const scanner = new JsonScanner(text, 'text');
  scanner.object((key) => found.push([key, scanner.string()]));
  scanner.end();
  return found;
}

describe('agrees with JSON.parse', () => {
  it('on any JSON, however spaced', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), fc.constantFrom(undefined, 1, '\t', '\r\n'), (text, space) => {
        check(JSON.stringify(JSON.parse(text), null, space));
      }),
    );
  });

  it('on any strings, escaped in any way', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.dictionary(text, text), fc.boolean(), (strings, escapeAll) => {
        const escape = (json: string): string =>
          json.replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
        const json = JSON.stringify(strings);
        expect(entries(escapeAll ? escape(json) : json)).toEqual(Object.entries(strings));
      }),
    );
  });

  it('never accepts what JSON.parse refuses', () => {
    const fragment = fc.constantFrom(
      ...[
        '{',
        '}',
        '[',
        ']',
        ',',
        ':',
        '"',
        '"a"',
        '\\',
        '\\u00',
        '0',
        '-',
        '.',
        'e',
        '1',
        'true',
        'nul',
        ' ',
        '\n',
        '\u00a0',
      ],
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 8 }), (fragments) => {
        const text = fragments.join('');
        let accepted = true;
        try {
          check(text);
        } catch {
          accepted = false;
        }
        if (accepted) expect(() => JSON.parse(text) as unknown).not.toThrow();
      }),
      { numRuns: 5000 },
    );
  });
});

describe('is stricter than JSON.parse', () => {
  it.each([
    ['{"a":1,"a":2}', 'text, character 10: expected each key once, got "a" a second time'],
    [
      '[{"b":{"a":1,"\\u0061":2}}]',
      'text, character 21, in "b": expected each key once, got "a" a second time',
    ],
    ['"\\udc00"', 'text, character 8: expected well-formed Unicode, got "\\udc00" with a lone surrogate'],
  ])('%j', (text, message) => {
    expect(() => JSON.parse(text) as unknown).not.toThrow();
    expect(() => check(text)).toThrow(message);
  });

  it('on nesting, long before the stack ends', () => {
    check('['.repeat(128) + ']'.repeat(128));
    check(`[${'{},[],'.repeat(1000)}0]`);
    expect(() => check('['.repeat(129) + ']'.repeat(129))).toThrow('expected at most 128 nested values');
    expect(() => check('['.repeat(10_000_000))).toThrow('expected at most 128 nested values');
    expect(() => check('{"a":'.repeat(1_000_000))).toThrow('expected at most 128 nested values');
  });
});

describe('integers', () => {
  it.each(['0', '7', '9007199254740991'])('reads %s', (text) => {
    expect(new JsonScanner(text, 'text').count()).toBe(Number(text));
  });

  it.each(['-0', '-1', '1.0', '1e3', '1E3', '9007199254740992', '1e999', 'true', '"1"', ''])(
    'refuses %j',
    (text) => {
      expect(() => new JsonScanner(text, 'text').count()).toThrow(
        `text, character 0: expected an integer from 0 to 2^53 - 1, got ${text === '' ? 'the end of the text' : text}`,
      );
    },
  );
});

it('takes time in proportion to the length, on strings of a megabyte too', () => {
  const long = 'x'.repeat(2_000_000);
  expect(entries(JSON.stringify({ [long]: `${long}"` }))).toEqual([[long, `${long}"`]]);
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`key ${i}`, 'value']));
  expect(entries(JSON.stringify(many))).toHaveLength(100_000);
});
