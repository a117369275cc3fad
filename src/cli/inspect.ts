/** `bertram inspect`: what a model is, without running it. */
import { Command } from 'commander';
import { bertConfigOf, formatBertConfig } from '../bert/index.ts';
import { openModelWeights } from '../checkpoint/index.ts';
import { isCased, loadTokenizer, openModelDirectory, questionAnsweringGraph } from '../pipelines/index.ts';
import { checksumsOf, estimateMemory, inventoryOf } from './model-inventory.ts';
import type { Terminal } from './terminal.ts';

interface InspectFlags {
  readonly model?: string;
  readonly json?: true;
}

export function inspectCommand(terminal: Terminal): Command {
  return new Command('inspect')
    .option(
      '--model <dir>',
      'a directory in Hugging Face layout; the model that ships with bertram unless told',
    )
    .option('--json', 'print one JSON document')
    .action(async (flags: InspectFlags) => {
      const report = await inspect(flags.model);
      if (flags.json) await terminal.out.json(report);
      else await terminal.out.write(formatReport(report));
    });
}

async function inspect(model: string | undefined) {
  const directory = await openModelDirectory(model);
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
      files: await checksumsOf(directory.path),
    };
  } finally {
    await source.close();
  }
}

type Report = Awaited<ReturnType<typeof inspect>>;

function formatReport({ model, config, vocabulary, parameters, memory, files }: Report): string {
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
        ['training', megabytes(memory.training_bytes)],
      ],
    ],
    ['files', files.map(({ name, bytes, sha256 }) => [name, grouped(bytes), sha256])],
  ];
  return `${model}\n${sections.map(([title, rows]) => `\n${title}\n${formatTable(rows)}`).join('')}`;
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
