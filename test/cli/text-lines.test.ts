import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { textLines } from '../../src/cli/text-lines.ts';

async function linesOf(bytes: Uint8Array, chunkSize: number): Promise<string[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    await Promise.resolve();
    for (let i = 0; i < bytes.length; i += chunkSize) yield bytes.subarray(i, i + chunkSize);
  }
  const lines: string[] = [];
  for await (const line of textLines(chunks(), 'file')) lines.push(line);
  return lines;
}

describe('textLines', () => {
  it.each<[string, string[]]>([
    ['', []],
    ['a', ['a']],
    ['a\n', ['a']],
    ['\n', ['']],
    ['a\r\n\r\nb', ['a', '', 'b']],
    ['a\rb\u2028c\u0085d\n', ['a\rb\u2028c\u0085d']],
    ['\ufeffa\n\ufeffb', ['a', '\ufeffb']],
  ])('%j', async (text, expected) => {
    for (const size of [1, 2, 100]) expect(await linesOf(Buffer.from(text), size)).toEqual(expected);
  });

  it('does not depend on how the bytes arrive', async () => {
    const texts = fc.string({ unit: fc.constantFrom('a', 'é', '😀', '\n', '\r\n', ' '), maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(texts, fc.integer({ min: 1, max: 9 }), async (text, size) => {
        const expected = text.split('\n').map((line) => line.replace(/\r$/, ''));
        if (text.endsWith('\n') || text === '') expected.pop();
        expect(await linesOf(Buffer.from(text), size)).toEqual(expected);
      }),
    );
  });

  it.each([
    { bytes: [0x61, 0x0a, 0x62, 0xff, 0x0a], line: 2 },
    { bytes: [0x61, 0x0a, 0x0a, 0xc3], line: 3 },
    { bytes: [0xed, 0xa0, 0x80], line: 1 },
  ])('refuses what is not UTF-8, in line $line', async ({ bytes, line }) => {
    for (const size of [1, 2, 100]) {
      await expect(linesOf(Uint8Array.from(bytes), size)).rejects.toThrow(
        `file: line ${line}: expected text in UTF-8, got other bytes`,
      );
    }
  });
});
