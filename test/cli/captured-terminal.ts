/** Runs the program in this process, with its streams in memory. */
import { Readable, Writable } from 'node:stream';
import { main } from '../../src/cli/main.ts';
import { Output } from '../../src/cli/terminal.ts';

export interface Run {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  /** Standard input. */
  readonly input?: string | Uint8Array;
  /** Pretend that standard output is a terminal of so many columns. */
  readonly columns?: number;
  /** Told of what goes to standard error, as it goes there. */
  readonly onError?: (text: string) => void;
}

export async function run(
  args: readonly string[],
  { input = '', columns, onError = () => undefined }: RunOptions = {},
): Promise<Run> {
  const out: string[] = [];
  const err: string[] = [];
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      out.push(chunk.toString());
      done();
    },
  });
  const exitCode = await main(args, {
    out: new Output(columns === undefined ? stream : Object.assign(stream, { isTTY: true, columns })),
    err: {
      write: (text) => {
        err.push(text);
        onError(text);
      },
    },
    input: Readable.from([Buffer.from(input)]),
  });
  return { exitCode, out: out.join(''), err: err.join('') };
}

/** Runs what must succeed, and parses what it prints. */
export async function runJson(args: readonly string[], options: RunOptions = {}): Promise<unknown> {
  const { exitCode, out, err } = await run(args, options);
  if (exitCode !== 0) throw new Error(`${args.join(' ')}: exit status ${exitCode}: ${err}`);
  return JSON.parse(out);
}
