/** `bertram squad-features`: the windows that a data set's questions are read in, as JSON lines, or their number. */
import { Command, Option } from 'commander';
import { squadFeatures } from '../squad/index.ts';
import { readSquadFile } from '../squad/squad-files.ts';
import { addTokenizerOptions, loadTokenizerOf, type TokenizerFlags } from './model-options.ts';
import { positiveWhole, whole } from './option-values.ts';
import type { Terminal } from './terminal.ts';

interface SquadFeaturesFlags extends TokenizerFlags {
  readonly file: string;
  readonly maxSeqLength: number;
  readonly docStride: number;
  readonly maxQueryLength: number;
  readonly strideMode: 'overlap' | 'step';
  readonly labels?: true;
  readonly count?: true;
}

export function squadFeaturesCommand(terminal: Terminal): Command {
  const command = new Command('squad-features')
    .requiredOption('--file <file>', 'a data set: SQuAD JSON or JSON lines, plain or gzipped')
    .option('--max-seq-length <n>', 'pieces in a window, special tokens included', positiveWhole, 384)
    .option('--doc-stride <n>', 'what --stride-mode says', whole, 128)
    .option(
      '--max-query-length <n>',
      'pieces that a question too long for its window is cut to',
      positiveWhole,
      64,
    )
    .addOption(
      new Option('--stride-mode <mode>', 'doc stride is what neighbours share, or the step between them')
        .choices(['overlap', 'step'])
        .default('overlap'),
    )
    .option('--labels', 'add the positions of the first answer, as for training')
    .option('--count', 'print the number of windows only')
    .option('--json', 'print JSON lines, as is done without it');
  addTokenizerOptions(command);
  return command.action((flags: SquadFeaturesFlags) => squadFeaturesOf(flags, terminal));
}

async function squadFeaturesOf(flags: SquadFeaturesFlags, { out, err }: Terminal): Promise<void> {
  const { maxSeqLength, docStride, maxQueryLength, strideMode, labels = false } = flags;
  const tokenizer = await loadTokenizerOf(flags);
  const { examples } = await readSquadFile(flags.file);
  const layout = { maxSeqLength, docStride, maxQueryLength, strideMode, labels };
  const { windows, truncatedQuestions, skippedExamples } = squadFeatures(examples, tokenizer, layout);
  const warnings = [
    [truncatedQuestions.length, 'questions were cut to make room for their context'],
    [skippedExamples.length, 'questions were left out: their answer is not among the words of their context'],
  ] as const;
  for (const [count, what] of warnings) if (count > 0) err.write(`warning: ${count} ${what}\n`);
  if (flags.count) {
    await out.line(String(windows.length));
    return;
  }
  for (const window of windows) {
    const { inputIds, tokenTypeIds, contextBegin, contextEnd, starts, ends } = window;
    const isContext = (position: number): boolean => position >= contextBegin && position < contextEnd;
    await out.json({
      id: examples[window.exampleIndex]!.id,
      input_ids: [...inputIds],
      token_type_ids: [...tokenTypeIds],
      offsets: Array.from(inputIds, (_, position) => {
        const piece = position - contextBegin;
        return isContext(position) ? [starts[piece]!, ends[piece]!] : [0, 0];
      }),
      ...(labels ? { start_position: window.startPosition, end_position: window.endPosition } : {}),
    });
  }
}
