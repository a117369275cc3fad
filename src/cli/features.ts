/**
 * `bertram features`: what a model makes of each line of a text, as JSON lines or in a safetensors file. A line may be a
 * pair, as in `extract_features.py`: `first text ||| second text`.
 */
import { createReadStream } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import { fileError } from '../checkpoint/file-error.ts';
import {
  FeatureExtractor,
  poolings,
  writeFeatureFile,
  type Pooling,
  type TextFeatures,
} from '../pipelines/index.ts';
import { badInput } from '../support/errors.ts';
import type { TextOrPair } from '../tokenizers/index.ts';
import { CutTexts } from './cut-texts.ts';
import { addFloatModelOptions, given, type FloatModelFlags } from './model-options.ts';
import { positiveWhole } from './option-values.ts';
import type { Output, Terminal } from './terminal.ts';
import { textLines } from './text-lines.ts';

interface FeaturesFlags extends FloatModelFlags {
  readonly file?: string;
  readonly layers?: readonly number[];
  readonly pooling: Pooling;
  readonly format: 'bertram' | 'google';
  readonly output?: string;
  readonly maxSeqLength?: number;
  readonly batchSize?: number;
  readonly json?: true;
}

export function featuresCommand(terminal: Terminal): Command {
  const command = new Command('features')
    .option('--file <file>', 'a text a line, or a pair: first ||| second; standard input unless told')
    .option(
      '--layers <list>',
      'hidden states: -1 is the last layer, 0 the embeddings, 1 the first layer (default: -1,-2,-3,-4)',
      layerList,
    )
    .addOption(
      new Option('--pooling <name>', 'a vector for each token, that of [CLS], or the mean over the tokens')
        .choices(poolings)
        .default('none'),
    )
    .addOption(
      new Option('--format <name>', 'of the JSON lines: google is that of extract_features.py')
        .choices(['bertram', 'google'])
        .default('bertram'),
    )
    .option('--output <file>', 'write a safetensors file instead')
    .option('--max-seq-length <n>', 'pieces of a line that are read (default: 128)', positiveWhole)
    .option('--batch-size <n>', 'lines in a batch at most', positiveWhole)
    .option('--json', 'print JSON lines, as is done without it');
  addFloatModelOptions(command);
  return command.action((flags: FeaturesFlags) => features(flags, terminal));
}

function layerList(text: string): readonly number[] {
  const layers = text.split(',').map((part) => (/^\s*-?\d+\s*$/.test(part) ? Number(part) : NaN));
  if (layers.some(Number.isNaN)) {
    throw new InvalidArgumentError(`expected numbers such as -1,-2, got ${JSON.stringify(text)}`);
  }
  return layers;
}

async function features(flags: FeaturesFlags, { out, err, input }: Terminal): Promise<void> {
  const { file, layers, pooling, model, maxSeqLength, batchSize, threads, output, format } = flags;
  if (format === 'google' && (pooling !== 'none' || output !== undefined)) {
    badInput(
      '--format google',
      'JSON lines with a vector for each token',
      pooling === 'none' ? '--output' : `--pooling ${pooling}`,
    );
  }
  const where = file ?? 'standard input';
  const options = { pooling, ...given({ layers, model, maxSeqLength, batchSize, threads }) };
  const extractor = await FeatureExtractor.load(options);
  const cut = new CutTexts();
  try {
    const lines = textLines(file === undefined ? input : createReadStream(file), where);
    const extracted = cut.counted(extractor.extract(textsOf(lines, where)));
    if (output !== undefined) await writeFeatureFile(output, extractor.model, extracted);
    else
      await printLines(
        extracted,
        out,
        format,
        pooling === 'none' ? extractor.model.config.hiddenSize : undefined,
      );
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw fileError(where, 'cannot be read', error);
    throw error;
  }
  const warning = cut.warning(where, 'line');
  if (warning !== undefined) err.write(`warning: ${warning}\n`);
}

/** @throws BertramError `bad-input` for a line without text, naming it */
async function* textsOf(
  lines: AsyncIterable<string>,
  where: string,
): AsyncGenerator<TextOrPair, void, undefined> {
  let number = 0;
  for await (const line of lines) {
    number += 1;
    const text = line.trim();
    if (text === '') badInput(`${where}: line ${number}`, 'a text', 'an empty line');
    // Of several separators the last one counts, as in extract_features.py.
    const pair = /^(.*) \|\|\| (.*)$/su.exec(text);
    yield pair === null ? text : [pair[1]!, pair[2]!];
  }
}

/** @param width of the vectors where each token has one; undefined where there is one a line */
async function printLines(
  extracted: AsyncIterable<TextFeatures>,
  out: Output,
  format: FeaturesFlags['format'],
  width: number | undefined,
): Promise<void> {
  let number = 0;
  for await (const { tokens, layers } of extracted) {
    const rounded = layers.map(({ index, values }) => ({ index, values: Array.from(values, round) }));
    const vector = (values: readonly number[], token: number): number[] =>
      values.slice(token * width!, (token + 1) * width!);
    if (format === 'google') {
      const features = tokens.map((token, i) => ({
        token,
        layers: rounded.map(({ index, values }) => ({ index, values: vector(values, i) })),
      }));
      // The misspelt key is the script's own.
      await out.json({ linex_index: number, features });
    } else if (width === undefined) await out.json({ tokens, layers: rounded });
    else {
      const perToken = rounded.map(({ index, values }) => ({
        index,
        values: tokens.map((_, i) => vector(values, i)),
      }));
      await out.json({ tokens, layers: perToken });
    }
    number += 1;
  }
}

/** Six decimals, as extract_features.py prints. */
const round = (value: number): number => Math.round(value * 1e6) / 1e6;
