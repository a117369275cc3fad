/** Where commands read and print: results to `out`, everything else (progress, warnings, errors) to `err`. */
import type { Writable } from 'node:stream';
import { BertramError, messageOf } from '../support/errors.ts';
import type { ReportStream } from './training-reporter.ts';

export interface Terminal {
  readonly out: Output;
  readonly err: ReportStream;
  /** Standard input. */
  readonly input: AsyncIterable<Uint8Array>;
}

/** Thrown when whoever reads our output has seen enough, as `head` does. Not a failure. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

const BUFFER_SIZE = 2 ** 16;

/** A stream that is written in large pieces, waits for slow readers, and tells a full disk from a closed pipe. */
export class Output {
  readonly isTerminal: boolean;
  readonly columns: number;
  readonly #stream: Writable;
  #buffer = '';

  constructor(stream: Writable & { readonly isTTY?: boolean; readonly columns?: number }) {
    this.#stream = stream;
    this.isTerminal = stream.isTTY === true;
    this.columns = stream.columns ?? 80;
    // Errors also come to the callback of the write; without a listener they would end the process.
    stream.on('error', () => undefined);
  }

  async write(text: string): Promise<void> {
    this.#buffer += text;
    if (this.#buffer.length >= BUFFER_SIZE) await this.flush();
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  /** One JSON document on a line of its own. */
  async json(value: unknown): Promise<void> {
    await this.line(JSON.stringify(value));
  }

  /** @throws OutputClosed when the reader has gone; BertramError `failed` when the output cannot be written */
  async flush(): Promise<void> {
    const text = this.#buffer;
    this.#buffer = '';
    if (text === '') return;
    await new Promise<void>((resolve, reject) => {
      this.#stream.write(text, (error) => {
        if (error == null) resolve();
        else reject(outputError(error));
      });
    });
  }
}

function outputError(error: Error): Error {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EPIPE' || code === 'ERR_STREAM_DESTROYED' || code === 'EOF')
    return new OutputClosed('output closed');
  return new BertramError('failed', `standard output: cannot be written: ${messageOf(error)}`, {
    cause: error,
  });
}

export function processTerminal(): Terminal {
  return { out: new Output(process.stdout), err: process.stderr, input: process.stdin };
}
