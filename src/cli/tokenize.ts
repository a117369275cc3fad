/** `bertram tokenize`: pieces, ids and offsets of each line of a text, as JSON lines. */
import { createReadStream } from 'node:fs';
import { Command } from 'commander';
import { fileError } from '../checkpoint/file-error.ts';
import { addTokenizerOptions, loadTokenizerOf, type TokenizerFlags } from './model-options.ts';
import type { Terminal } from './terminal.ts';
import { textLines } from './text-lines.ts';

interface TokenizeFlags extends TokenizerFlags {
  readonly file?: string;
  readonly json?: true;
}

export function tokenizeCommand(terminal: Terminal): Command {
  const command = new Command('tokenize')
    .option('--file <file>', 'the text; standard input unless told')
    .option('--json', 'print JSON lines, as is done without it');
  addTokenizerOptions(command);
  return command.action((flags: TokenizeFlags) => tokenize(flags, terminal));
}

async function tokenize(flags: TokenizeFlags, { out, input }: Terminal): Promise<void> {
  const tokenizer = await loadTokenizerOf(flags);
  const { file } = flags;
  const where = file ?? 'standard input';
  try {
    for await (const line of textLines(file === undefined ? input : createReadStream(file), where)) {
      const { ids, starts, ends } = tokenizer.encode(line);
      const tokens = Array.from(ids, (id) => tokenizer.vocabulary.tokenOf(id));
      const offsets = Array.from(starts, (start, i) => [start, ends[i]!]);
      await out.json({ tokens, ids: [...ids], offsets });
    }
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw fileError(where, 'cannot be read', error);
    throw error;
  }
}
