/**
 * Large blocks of memory on huge pages, where the system is Linux.
 *
 * A product walks down thousands of rows, each on pages of its own, and a processor knows the places of one or two
 * thousand pages at a time. With pages of 4 KiB it spends an eighth of a training step of BERT-base on looking them up;
 * with pages of 2 MiB it does not (docs/decisions/0016-huge-pages.md). Most distributions give them to those who ask:
 * https://docs.kernel.org/admin-guide/mm/transhuge.html.
 */
import { readFileSync } from 'node:fs';
import { callOnThread, koffi, type ForeignFunction } from '../support/foreign-functions.ts';

/** Advice of madvise(2): use huge pages from now on; and make them of the pages that are there (since Linux 6.1). */
const MADV_HUGEPAGE = 14;
const MADV_COLLAPSE = 25;

const HUGE_PAGE_BYTES = 2 ** 21;
/** More than the stack of a thread, of which only the end is in use. */
const LEAST_BYTES = 2 ** 24;

/** A block of memory, from an address to another. */
interface Block {
  readonly begin: number;
  readonly end: number;
}

type Advise = ForeignFunction<[address: bigint, bytes: number, advice: number], number>;

let advise: Advise | undefined;

/** Whether the system gives huge pages to those who ask for them. */
export function hasHugePages(): boolean {
  if (process.platform !== 'linux') return false;
  const setting = contentsOf('/sys/kernel/mm/transparent_hugepage/enabled');
  return setting !== undefined && !setting.includes('[never]');
}

/**
 * Puts the large blocks that the process has by now on huge pages. What is in them stays as it is; memory that nobody
 * has written to takes none. Where the system refuses, nothing changes: pages are smaller, and that is all.
 */
export async function useHugePages(): Promise<void> {
  const memory = contentsOf('/proc/self/maps');
  if (memory === undefined) return;
  advise ??= koffi.load(null).func('madvise', 'int', ['uint64_t', 'size_t', 'int']) as unknown as Advise;
  for (const { begin, end } of largeBlocks(memory)) {
    advise(BigInt(begin), end - begin, MADV_HUGEPAGE);
    const first = Math.ceil(begin / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
    const last = Math.floor(end / HUGE_PAGE_BYTES) * HUGE_PAGE_BYTES;
    await callOnThread(advise, BigInt(first), last - first, MADV_COLLAPSE);
  }
}

/**
 * The blocks of private memory without a file behind them, as the engine's arena and the memory of typed arrays are.
 * Example of a line: `7f1c4c000000-7f1c6c000000 rw-p 00000000 00:00 0`.
 *
 * @param maps what `/proc/self/maps` says
 */
export function largeBlocks(maps: string): Block[] {
  const blocks: Block[] = [];
  for (const [, begin, end] of maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *$/gm)) {
    const block = { begin: Number.parseInt(begin!, 16), end: Number.parseInt(end!, 16) };
    if (block.end - block.begin >= LEAST_BYTES) blocks.push(block);
  }
  return blocks;
}

function contentsOf(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
