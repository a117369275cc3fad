/** The longest line that is read, and the first that is not. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { textBatches } from '../../src/pretraining/text-input.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const LONGEST = 2 ** 26;
/** Less than a batch, so that the long line comes while they are still held. */
const SHORT_LINES = `${'x'.repeat(99)}\n`.repeat(7000);

function fileWithLineOf(bytes: number): { readonly path: string; readonly size: number } {
  const path = join(temporaryDirectory(), 'text.txt');
  const content = Buffer.concat([Buffer.from(SHORT_LINES), Buffer.alloc(bytes, 'y'), Buffer.from('\nend')]);
  writeFileSync(path, content);
  return { path, size: content.length };
}

async function bytesOfBatches(path: string): Promise<number> {
  let bytes = 0;
  for await (const batch of textBatches([path])) bytes += batch.bytes.length;
  return bytes;
}

describe('a line', () => {
  it('of 64 MiB is read, after short ones', async () => {
    const { path, size } = fileWithLineOf(LONGEST);
    expect(await bytesOfBatches(path)).toBe(size);
  });

  it('of a byte more is refused by where it begins', async () => {
    const { path } = fileWithLineOf(LONGEST + 1);
    await expect(bytesOfBatches(path)).rejects.toMatchObject({
      code: 'bad-input',
      message: `${path}: expected lines of at most 67108864 bytes, got a longer one, from byte 700000 on`,
    });
  });
});
