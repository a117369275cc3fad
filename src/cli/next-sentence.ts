/** `bertram next-sentence`: how likely a text follows another. */
import { Command } from 'commander';
import { NextSentence } from '../pipelines/next-sentence.ts';
import { addFloatModelOptions, given, type FloatModelFlags } from './model-options.ts';
import type { Terminal } from './terminal.ts';

interface NextSentenceFlags extends FloatModelFlags {
  readonly first: string;
  readonly second: string;
  readonly json?: true;
}

export function nextSentenceCommand(terminal: Terminal): Command {
  const command = new Command('next-sentence')
    .requiredOption('--first <text>', 'a text')
    .requiredOption('--second <text>', 'one that may follow it')
    .option('--json', 'print one JSON document');
  addFloatModelOptions(command);
  return command.action((flags: NextSentenceFlags) => nextSentence(flags, terminal));
}

async function nextSentence(flags: NextSentenceFlags, { out }: Terminal): Promise<void> {
  const { first, second, model, threads } = flags;
  const pipeline = await NextSentence.load(given({ model, threads }));
  const { isNext, isRandom, logits } = await pipeline.score({ first, second });
  await pipeline.release();
  if (flags.json) {
    await out.json({ is_next: isNext, is_random: isRandom, logits });
    return;
  }
  await out.line(`${isNext.toFixed(4)}\tis next`);
  await out.line(`${isRandom.toFixed(4)}\tis from elsewhere`);
}
