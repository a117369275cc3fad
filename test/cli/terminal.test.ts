import { Writable } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { commandFailure } from '../../src/cli/command-failure.ts';
import { Output, OutputClosed } from '../../src/cli/terminal.ts';
import { BertramError } from '../../src/support/errors.ts';

/** A stream whose every write fails in this way. */
function failing(code: string): Writable {
  return new Writable({
    write: (_chunk, _encoding, done) => done(Object.assign(new Error(`write ${code}`), { code })),
  });
}

describe('Output', () => {
  it('tells a reader that has gone from a disk that is full', async () => {
    const closed = new Output(failing('EPIPE'));
    await closed.line('a');
    await expect(closed.flush()).rejects.toThrow(OutputClosed);
    const full = new Output(failing('ENOSPC'));
    await full.line('a');
    await expect(full.flush()).rejects.toThrow('standard output: cannot be written: write ENOSPC');
  });

  it('writes in large pieces and waits for slow readers', async () => {
    const pieces: string[] = [];
    const slow = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        pieces.push(chunk.toString());
        setTimeout(done, 1);
      },
    });
    const out = new Output(slow);
    for (let i = 0; i < 20_000; i++) await out.line(`line ${i}`);
    await out.flush();
    expect(pieces.join('')).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(''));
    expect(pieces.length).toBeLessThan(10);
  });
});

describe('commandFailure', () => {
  it.each([
    {
      error: new BertramError('bad-input', 'a: expected b, got c'),
      exitCode: 2,
      line: 'bertram x: a: expected b, got c',
    },
    { error: new BertramError('failed', 'full'), exitCode: 1, line: 'bertram x: full' },
    {
      error: new BertramError('not-found', 'a\nb\u2028\u0007'),
      exitCode: 2,
      line: String.raw`bertram x: a\nb\u2028\u0007`,
    },
    {
      error: new TypeError('oh'),
      exitCode: 1,
      line: 'bertram x: unexpected error: oh (BERTRAM_DEBUG=1 shows where)',
    },
    { error: new OutputClosed(), exitCode: 0, line: undefined },
  ])('$line', ({ error, exitCode, line }) => {
    expect(commandFailure(error, 'bertram x')).toEqual({ exitCode, line });
  });
});
