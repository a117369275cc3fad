/** `bertram fill-mask`: what may stand at each `[MASK]` of a text. */
import { Command } from 'commander';
import { FillMask, type FilledBlank, type MaskCandidate } from '../pipelines/fill-mask.ts';
import { addFloatModelOptions, given, type FloatModelFlags } from './model-options.ts';
import { positiveWhole } from './option-values.ts';
import type { Terminal } from './terminal.ts';

interface FillMaskFlags extends FloatModelFlags {
  readonly text: string;
  readonly topK: number;
  readonly json?: true;
}

export function fillMaskCommand(terminal: Terminal): Command {
  const command = new Command('fill-mask')
    .requiredOption('--text <text>', 'a text with [MASK]; [MASK][MASK] is one word of two pieces')
    .option('--top-k <n>', 'how many candidates at most', positiveWhole, 5)
    .option('--json', 'print one JSON document: a list of candidates, or a list of such lists');
  addFloatModelOptions(command);
  return command.action((flags: FillMaskFlags) => fillMask(flags, terminal));
}

async function fillMask(flags: FillMaskFlags, { out, err }: Terminal): Promise<void> {
  const { text, topK, model, threads } = flags;
  const pipeline = await FillMask.load(given({ model, threads }));
  const blanks = await pipeline.fill(
    { text, topK },
    {
      onEvent: ({ start }) =>
        err.write(`warning: the [MASK] at ${start} touches a word, which is read as one of its own\n`),
    },
  );
  await pipeline.release();
  if (flags.json) {
    const lists = blanks.map(({ candidates }) => candidates.map(candidateJson));
    await out.json(lists.length === 1 ? lists[0] : lists);
    return;
  }
  for (const [number, blank] of blanks.entries()) {
    if (number > 0) await out.line('');
    for (const line of candidateLines(blank)) await out.line(line);
  }
}

/** Of a single mask its token; of several that are one word all tokens, and the word. */
function candidateJson({ tokens, ids, word, score }: MaskCandidate): object {
  return tokens.length === 1 ? { token: tokens[0], id: ids[0], score } : { tokens, ids, word, score };
}

function candidateLines({ candidates }: FilledBlank): string[] {
  return candidates.map(({ tokens, word, score }) => {
    const pieces = tokens.length === 1 ? '' : `\t${tokens.join(' ')}`;
    return `${score.toFixed(4)}\t${word}${pieces}`;
  });
}
