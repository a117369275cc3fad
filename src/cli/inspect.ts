/** `bertram inspect`: what a model is, without running it. */
import { Command } from 'commander';
import { bertConfigOf, formatBertConfig, type BertConfig } from '../bert/index.ts';
import { openModelWeights } from '../checkpoint/index.ts';
import { isCased, loadTokenizer, openModelDirectory, questionAnsweringGraph } from '../pipelines/index.ts';
import { questionAnsweringObjective } from '../squad/fine-tuning.ts';
import { badInput } from '../support/errors.ts';
import { trainingMemory, type Recompute, type TrainingMemory } from '../training/index.ts';
import { checksumsOf, estimateMemory, inventoryOf } from './model-inventory.ts';
import { given, gradientCheckpointingOption, trainingPrecisionOption } from './model-options.ts';
import { positiveWhole } from './option-values.ts';
import type { Terminal } from './terminal.ts';

interface InspectFlags {
  readonly model?: string;
  readonly training?: true;
  readonly perDeviceTrainBatchSize: number;
  readonly maxSeqLength: number;
  readonly gradientAccumulationSteps: number;
  readonly precision: 'float32' | 'int8';
  readonly gradientCheckpointing?: Recompute;
  readonly json?: true;
}

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .option(
      '--model <dir>',
      'a directory in Hugging Face layout; the model that ships with bertram unless told',
    )
    .option(
      '--training',
      'predict the memory that fine-tuning takes, with the options below as for `finetune`',
    )
    .option('--per-device-train-batch-size <n>', 'windows in a training batch', positiveWhole, 8)
    .option('--max-seq-length <n>', 'pieces in a window, special tokens included', positiveWhole, 384)
    .option('--gradient-accumulation-steps <n>', 'batches that make one update', positiveWhole, 1)
    .addOption(trainingPrecisionOption())
    .addOption(gradientCheckpointingOption())
    .option('--json', 'print one JSON document')
    .action(async (flags: InspectFlags) => {
      const report = await inspect(flags);
      if (flags.json) await terminal.out.json(report);
      else await terminal.out.write(formatReport(report));
    });
}

async function inspect(flags: InspectFlags) {
  const directory = await openModelDirectory(flags.model);
  const config = bertConfigOf(directory);
  const { vocabulary } = loadTokenizer(directory);
  const source = await openModelWeights(directory.path);
  try {
    const parameters = inventoryOf(source, questionAnsweringGraph(config).parameters);
    return {
      model: directory.path,
      config: formatBertConfig(config, 'BertForQuestionAnswering'),
      vocabulary: { size: vocabulary.size, cased: isCased(vocabulary) },
      parameters: {
        ...parameters,
        table: parameters.table.map(({ dtype = null, ...row }) => ({ ...row, dtype })),
      },
      memory: estimateMemory(config, parameters),
      ...(flags.training && { training: predictTraining(config, flags) }),
      files: await checksumsOf(directory.path),
    };
  } finally {
    await source.close();
  }
}

/** Of a batch whose windows are all of the greatest length. */
function predictTraining(config: BertConfig, flags: InspectFlags): TrainingMemory {
  const { perDeviceTrainBatchSize, maxSeqLength, gradientAccumulationSteps, precision } = flags;
  const { maxPositionEmbeddings } = config;
  if (maxSeqLength > maxPositionEmbeddings)
    badInput('--max_seq_length', `at most the model's ${maxPositionEmbeddings} positions`, `${maxSeqLength}`);
  const sizes = new Map([
    ['B', perDeviceTrainBatchSize],
    ['S', maxSeqLength],
  ]);
  return trainingMemory(questionAnsweringObjective(config), sizes, {
    linearPrecision: precision,
    accumulates: gradientAccumulationSteps > 1,
    ...given({ recompute: flags.gradientCheckpointing }),
  });
}

type Report = Awaited<ReturnType<typeof inspect>>;

function formatReport({ model, config, vocabulary, parameters, memory, training, files }: Report): string {
  const grouped = (value: number): string => value.toLocaleString('en-US');
  const sections: [title: string, rows: string[][]][] = [
    ['configuration', Object.entries(config).map(([name, value]) => [name, String(value)])],
    [
      'vocabulary',
      [
        ['entries', grouped(vocabulary.size)],
        ['kind', vocabulary.cased ? 'cased' : 'uncased'],
      ],
    ],
    [
      'parameters',
      parameters.table.map(({ name, shape, count, dtype }) => [
        name,
        `[${shape.join(', ')}]`,
        grouped(count),
        dtype ?? 'missing',
      ]),
    ],
    [
      'in all',
      [
        ['question answering', grouped(parameters.count)],
        ['stored', grouped(parameters.stored)],
        ...parameters.unused.map((name) => ['unused', name]),
      ],
    ],
    [
      'memory (estimated)',
      [
        ['weights', megabytes(memory.weights_bytes)],
        ['answering', megabytes(memory.inference_bytes)],
      ],
    ],
    ...(training === undefined ? [] : [trainingSection(training)]),
    ['files', files.map(({ name, bytes, sha256 }) => [name, grouped(bytes), sha256])],
  ];
  return `${model}\n${sections.map(([title, rows]) => `\n${title}\n${formatTable(rows)}`).join('')}`;
}

function trainingSection(training: TrainingMemory): [string, string[][]] {
  const parts: [string, number][] = [
    ['parameters, gradients and moments', training.state_bytes],
    ['activations', training.activation_bytes],
    ['dropout masks', training.mask_bytes],
    ['program', training.program_bytes],
    ['in all', training.total_bytes],
  ];
  return ['training (predicted)', parts.map(([name, bytes]) => [name, megabytes(bytes)])];
}

function formatTable(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, { length }] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, length);
  }
  const lines = rows.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  '));
  return lines.map((line) => `  ${line.trimEnd()}\n`).join('');
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
