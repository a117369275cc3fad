/** `bertram quantize`: a model directory with its matrices in int8, a quarter of the size. */
import { Command } from 'commander';
import { quantizeBert } from '../bert/index.ts';
import { openModelDirectory } from '../pipelines/model-directory.ts';
import type { Terminal } from './terminal.ts';

interface QuantizeFlags {
  readonly model: string;
  readonly output: string;
}

export function quantizeCommand({ err }: Terminal): Command {
  return new Command('quantize')
    .requiredOption('--model <dir>', 'a directory in Hugging Face layout')
    .requiredOption('--output <dir>', 'where the quantised model goes')
    .action(async ({ model, output }: QuantizeFlags) => {
      const directory = await openModelDirectory(model);
      const { quantized, kept } = await quantizeBert(directory, output, 'BertForQuestionAnswering');
      err.write(`${quantized} parameters in int8 and ${kept} in float32 written to ${output}\n`);
    });
}
