/** Options that commands share: which model and tokenizer, and how long texts are read. */
import { Option, type Command } from 'commander';
import { readTextFile } from '../checkpoint/text-file.ts';
import type { ModelLoadOptions, Precision } from '../pipelines/index.ts';
import { badInput, shown } from '../support/errors.ts';
import { positiveWhole, whole } from './option-values.ts';

export interface ModelFlags {
  readonly model?: string;
  readonly precision?: Precision;
  readonly threads?: number;
}

export function addModelOptions(command: Command): Command {
  return addFloatModelOptions(command).addOption(
    new Option(
      '--precision <name>',
      'what linear layers multiply in; as the model is stored unless told',
    ).choices(['float32', 'int8']),
  );
}

/** Of commands that run their model in float32 only. */
export type FloatModelFlags = Omit<ModelFlags, 'precision'>;

export function addFloatModelOptions(command: Command): Command {
  return command
    .option(
      '--model <dir>',
      'a directory in Hugging Face layout; the model that ships with bertram unless told',
    )
    .addOption(threadsOption());
}

export function threadsOption(): Option {
  return new Option('--threads <n>', 'threads of the engine; one a core unless told').argParser(
    positiveWhole,
  );
}

/** What training multiplies in. */
export function trainingPrecisionOption(): Option {
  return new Option(
    '--precision <name>',
    'of the products in linear layers: int8 is faster, with some noise in gradients',
  )
    .choices(['float32', 'int8'])
    .default('float32');
}

/** What training computes twice, to need less memory. */
export function gradientCheckpointingOption(): Option {
  return new Option(
    '--gradient-checkpointing [what]',
    'compute results a second time rather than keep them: all of each layer, what is cheap (large models unless told), or nothing',
  )
    .choices(['nothing', 'cheap', 'layers'])
    .preset('layers');
}

export function modelLoadOptions({ model, precision, threads }: ModelFlags): ModelLoadOptions {
  return given({ model, precision, threads });
}

export interface WindowFlags {
  readonly maxSeqLength?: number;
  readonly docStride?: number;
  readonly maxQueryLength?: number;
}

export function addWindowOptions(command: Command): Command {
  return command
    .option(
      '--max-seq-length <n>',
      'pieces in a window, special tokens included (default: 384)',
      positiveWhole,
    )
    .option('--doc-stride <n>', 'pieces that neighbouring windows share (default: 128)', whole)
    .option('--max-query-length <n>', 'pieces of the question that are read (default: 64)', positiveWhole);
}

export interface TokenizerFlags {
  readonly vocab?: string;
  readonly uncased?: true;
  readonly model?: string;
}

export function addTokenizerOptions(command: Command): Command {
  return command
    .option('--vocab <file>', 'a vocab.txt or tokenizer.json instead of a model')
    .option('--uncased', 'lower-case the text and strip accents')
    .option('--model <dir>', 'the model whose tokenizer to use; the one that ships with bertram unless told');
}

type Given<T> = { readonly [Key in keyof T]?: Exclude<T[Key], undefined> };

/** Only the fields that are not undefined. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

/** The tokenizer that the options ask for. A vocabulary file is cased unless `--uncased`; a model knows for itself. */
export async function loadTokenizerOf({ vocab, uncased, model }: TokenizerFlags) {
  if (vocab !== undefined && model !== undefined) badInput('tokenizer', '--vocab or --model', 'both');
  const { BertTokenizer } = await import('../tokenizers/index.ts');
  const lowercase = uncased === true;
  if (vocab !== undefined) {
    const text = await readTextFile(vocab);
    if (!vocab.endsWith('.json')) return BertTokenizer.fromVocab(text, { lowercase }, vocab);
    if (lowercase) badInput('--uncased', 'a vocab.txt beside it', `${shown(vocab)}, which says for itself`);
    return BertTokenizer.fromTokenizerJson(text, vocab);
  }
  const { openModelDirectory } = await import('../pipelines/model-directory.ts');
  const { loadTokenizer } = await import('../pipelines/model-tokenizer.ts');
  const tokenizer = loadTokenizer(await openModelDirectory(model));
  return lowercase ? new BertTokenizer(tokenizer.vocabulary, { lowercase }) : tokenizer;
}
