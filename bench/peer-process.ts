/** One side of a comparison in a process of its own: it answers a line with a line of JSON. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { BertramError } from '../src/support/errors.ts';

export class PeerProcess {
  readonly #script: string;
  readonly #child;
  readonly #answers: AsyncIterator<string, undefined>;

  private constructor(command: readonly string[], script: string, args: readonly string[]) {
    this.#script = script;
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(command[0]!, [...command.slice(1), path, ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.#answers = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** @param script below `bench/`, such as `peers/train_step.py` */
  static python(python: string, script: string, ...args: string[]): PeerProcess {
    return new PeerProcess([python], script, args);
  }

  static typescript(script: string, ...args: string[]): PeerProcess {
    return new PeerProcess([process.execPath, '--import', 'tsx'], script, args);
  }

  /** The next line that the process prints. */
  async read<Answer>(): Promise<Answer> {
    const answer = await this.#answers.next();
    if (answer.done)
      throw new BertramError('failed', `bench/${this.#script}: expected an answer, got its end`);
    return JSON.parse(answer.value) as Answer;
  }

  async ask<Answer>(line: string): Promise<Answer> {
    this.#child.stdin.write(`${line}\n`);
    return this.read<Answer>();
  }

  /** Ends the process, and waits until its memory is free. */
  async close(): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('close', resolve));
    this.#child.stdin.end();
    await ended;
  }
}
