/** `bertram convert`: a published checkpoint, of TensorFlow 1 or PyTorch, to a directory in Hugging Face layout. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { convertBert, type Conversion } from '../bert/index.ts';
import { openWeights, readModelDirectory } from '../checkpoint/index.ts';
import { isCased, loadTokenizer } from '../pipelines/model-tokenizer.ts';
import type { Terminal } from './terminal.ts';

interface ConvertFlags {
  readonly from: string;
  readonly to: string;
  readonly json?: true;
}

/** Names shown of what was left out for one reason. */
const MOST_NAMES = 10;

export function convertCommand({ out, err }: Terminal): Command {
  return new Command('convert')
    .requiredOption(
      '--from <path>',
      'a model directory, a .bin file, or the prefix of a TensorFlow checkpoint (bert_model.ckpt)',
    )
    .requiredOption('--to <dir>', 'where the model goes')
    .option('--json', 'print one JSON document')
    .action(async ({ from, to, json }: ConvertFlags) => {
      const conversion = await convert(from, to);
      const { architecture, tensors, parameters, leftOut } = conversion;
      if (json)
        await out.json({
          from,
          to,
          architecture,
          tensors,
          parameters,
          left_out: Object.fromEntries(leftOut),
        });
      else err.write(describe(conversion, to));
    });
}

async function convert(from: string, to: string): Promise<Conversion> {
  // Weights first: their absence is the likelier mistake.
  const source = await openWeights(from);
  try {
    const model = await readModelDirectory((await isDirectory(from)) ? from : dirname(from));
    const lowercase = model.doLowerCase ?? !isCased(loadTokenizer(model).vocabulary);
    return await convertBert(model, source, to, lowercase);
  } finally {
    await source.close();
  }
}

function describe({ architecture, tensors, parameters, leftOut }: Conversion, to: string): string {
  const lines = [
    `${tensors} tensors, ${parameters.toLocaleString('en-US')} parameters of a ${architecture}, written to ${to}`,
  ];
  for (const reason of new Set(leftOut.values())) {
    const names = [...leftOut].filter(([, why]) => why === reason).map(([name]) => name);
    const rest = names.length > MOST_NAMES ? ` and ${names.length - MOST_NAMES} more` : '';
    lines.push(`left out, ${reason}: ${names.slice(0, MOST_NAMES).join(', ')}${rest}`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}
