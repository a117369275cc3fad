/** `bertram logits`: the model's raw output, for comparing it with another program's. */
import { Command } from 'commander';
import { QuestionAnswering } from '../pipelines/index.ts';
import { ReadingReporter } from './answer.ts';
import {
  addModelOptions,
  addWindowOptions,
  given,
  modelLoadOptions,
  type ModelFlags,
  type WindowFlags,
} from './model-options.ts';
import type { Terminal } from './terminal.ts';

interface LogitsFlags extends ModelFlags, WindowFlags {
  readonly question: string;
  readonly context: string;
  readonly json?: true;
}

export function logitsCommand(terminal: Terminal): Command {
  const command = new Command('logits')
    .requiredOption('--question <text>', 'what is asked')
    .requiredOption('--context <text>', 'the text to answer from')
    .option('--json', 'print one JSON document');
  addWindowOptions(command);
  addModelOptions(command);
  return command.action((flags: LogitsFlags) => logits(flags, terminal));
}

async function logits(flags: LogitsFlags, { out, err, ...terminal }: Terminal): Promise<void> {
  const { question, context, maxSeqLength, docStride, maxQueryLength } = flags;
  const qa = await QuestionAnswering.load(modelLoadOptions(flags));
  const reporter = new ReadingReporter({ out, err, ...terminal });
  const windows = await qa.logits(
    { question, context, ...given({ maxSeqLength, docStride, maxQueryLength }) },
    { onEvent: (event) => reporter.report(event) },
  );
  reporter.end();
  if (flags.json) {
    await out.json({
      windows: windows.map(({ inputIds, tokenTypeIds, startLogits, endLogits, offsets }) => ({
        input_ids: [...inputIds],
        token_type_ids: [...tokenTypeIds],
        start_logits: [...startLogits],
        end_logits: [...endLogits],
        offsets,
      })),
    });
    return;
  }
  await out.line('window\tposition\tpiece\tstart\tend\tstart_logit\tend_logit');
  const { vocabulary } = qa.model.tokenizer;
  for (const [number, { inputIds, startLogits, endLogits, offsets }] of windows.entries()) {
    for (const [position, id] of inputIds.entries()) {
      const values = [startLogits[position]!.toFixed(4), endLogits[position]!.toFixed(4)];
      await out.line([number, position, vocabulary.tokenOf(id), ...offsets[position]!, ...values].join('\t'));
    }
  }
}
