import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { hasHugePages, largeBlocks, useHugePages } from '../../src/runtime/huge-pages.ts';

/** Bytes of the process's memory that are on huge pages. */
function hugeBytes(): number {
  const lines = readFileSync('/proc/self/smaps', 'utf8').matchAll(/^AnonHugePages: +(\d+) kB$/gm);
  return [...lines].reduce((sum, [, kilobytes]) => sum + 1024 * Number(kilobytes), 0);
}

describe('huge pages', () => {
  test('large blocks are private memory without a file, and larger than a stack', () => {
    const maps = [
      '555500000000-555510000000 r-xp 00000000 fe:00 1234 /usr/bin/node',
      '7f0000000000-7f0000800000 rw-p 00000000 00:00 0 ',
      '7f1000000000-7f1004000000 rw-p 00000000 00:00 0 ',
      '7f2000000000-7f2004000000 rw-p 00000000 00:00 0                          [heap]',
      '7f3000000000-7f3004000000 ---p 00000000 00:00 0 ',
      '7f4000000000-7f4004000000 rw-s 00000000 00:01 99 /dev/shm/x',
    ].join('\n');
    expect(largeBlocks(maps)).toEqual([{ begin: 0x7f1000000000, end: 0x7f1004000000 }]);
  });

  test.skipIf(!hasHugePages())('memory moves to huge pages and keeps its contents', async () => {
    const values = new Float32Array(2 ** 24);
    for (let i = 0; i < values.length; i++) values[i] = i % 1009;
    const before = hugeBytes();
    await useHugePages();
    expect(hugeBytes() - before).toBeGreaterThan(values.byteLength / 2);
    expect(values.every((value, i) => value === i % 1009)).toBe(true);
  });
});
