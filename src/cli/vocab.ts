/** `bertram vocab`: learns a WordPiece vocabulary from texts. */
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Command } from 'commander';
import { fileError } from '../checkpoint/file-error.ts';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { badInput } from '../support/errors.ts';
import {
  bertSpecialTokens,
  trainWordPiece,
  WordCounter,
  type LeftOut,
  type TrainerEvent,
} from '../tokenizers/index.ts';
import { countWords } from './corpus-words.ts';
import { positiveWhole, whole } from './option-values.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';

interface VocabFlags {
  readonly input: readonly string[];
  readonly vocabSize: number;
  readonly output: string;
  readonly uncased?: true;
  readonly minFrequency: number;
  readonly limitAlphabet: number;
  readonly unusedTokens: number;
  readonly maxWords: number;
  readonly json?: true;
}

const MEGABYTE = 1e6;

export function vocabCommand(terminal: Terminal): Command {
  return new Command('vocab')
    .requiredOption('--input <file...>', 'texts in UTF-8, plain or gzipped')
    .requiredOption('--vocab-size <n>', 'tokens in the vocabulary, special ones included', positiveWhole)
    .requiredOption('--output <file>', 'where the vocab.txt goes')
    .option('--uncased', 'lower-case the text and strip accents')
    .option('--min-frequency <n>', 'how often a piece must occur to be learnt', positiveWhole, 2)
    .option('--limit-alphabet <n>', 'most characters kept', positiveWhole, 1000)
    .option('--unused-tokens <n>', 'entries [unused1]... behind [PAD], as 99 of them in BERT', whole, 0)
    .option('--max-words <n>', 'distinct words in memory; rarer ones are forgotten', positiveWhole, 4_000_000)
    .option('--json', 'print one JSON document')
    .action((flags: VocabFlags) => vocab(flags, terminal));
}

async function vocab(flags: VocabFlags, { out, err }: Terminal): Promise<void> {
  const { input, vocabSize, output, minFrequency, limitAlphabet, maxWords } = flags;
  const specialTokens = bertSpecialTokens(flags.unusedTokens);
  if (vocabSize <= specialTokens.length) {
    badInput('--vocab-size', `more than the ${specialTokens.length} special tokens`, String(vocabSize));
  }
  await checkOutput(output);
  const began = performance.now();

  const counter = new WordCounter({ lowercase: flags.uncased === true, maxWords });
  const reading = new ProgressLine(err, 'MB of text');
  const { bytes, emptyFiles } = await countWords(input, counter, (done) =>
    reading.update(Math.round(done / MEGABYTE)),
  );
  reading.clear();
  const counts = counter.counts();
  if (counts.size === 0) badInput('--input', 'text to learn from', `no words in ${filesIn(input.length)}`);

  const learning = new ProgressLine(err, 'tokens');
  const warnings = [
    ...emptyFiles.map((file) => `${file} is empty`),
    ...leftOutWarnings(counter.leftOut, maxWords),
  ];
  const vocabulary = trainWordPiece(counts, {
    ...{ vocabSize, minFrequency, limitAlphabet, specialTokens },
    onEvent: (event) => {
      if (event.type === 'progress') learning.update(event.tokens, event.vocabSize);
      else warnings.push(trainerWarning(event, minFrequency));
    },
  });
  learning.clear();
  for (const warning of warnings) err.write(`warning: ${warning}\n`);
  await writeFileAtomic(output, vocabulary.toString());

  const seconds = (performance.now() - began) / 1000;
  if (flags.json) {
    const words = { words: counter.occurrences, distinct_words: counts.size };
    await out.json({ output, vocab_size: vocabulary.size, bytes, ...words, warnings, seconds });
  } else {
    const source = `${counter.occurrences} words, ${counts.size} of them distinct`;
    err.write(
      `${vocabulary.size} tokens learnt from ${source}, in ${seconds.toFixed(1)} s, written to ${output}\n`,
    );
  }
}

/** Before any work: a vocabulary that cannot be written would be found out minutes later. */
async function checkOutput(output: string): Promise<void> {
  const directory = dirname(output);
  const isDirectory = (path: string): Promise<boolean> => stat(path).then((entry) => entry.isDirectory());
  try {
    if (!(await isDirectory(directory)))
      badInput(output, 'a directory to write into', `the file ${directory}`);
  } catch (error) {
    throw fileError(output, 'cannot be written', error);
  }
  if (await isDirectory(output).catch(() => false)) badInput(output, 'a file to write', 'a directory');
}

function leftOutWarnings(
  { rareWords, rareOccurrences, longOccurrences }: LeftOut,
  maxWords: number,
): string[] {
  const warnings: string[] = [];
  if (rareWords > 0) {
    warnings.push(
      `more than ${maxWords} distinct words: ${rareWords} rare ones, met ${rareOccurrences} times, were forgotten; --max-words sets the limit`,
    );
  }
  if (longOccurrences > 0) {
    warnings.push(
      `words of more than 100 characters, which are always [UNK], were left out ${longOccurrences} times`,
    );
  }
  return warnings;
}

function trainerWarning(event: Exclude<TrainerEvent, { type: 'progress' }>, minFrequency: number): string {
  if (event.type === 'exhausted') {
    return `only ${event.tokens} of ${event.vocabSize} tokens: nothing more occurs ${minFrequency} times; --min-frequency sets the limit`;
  }
  const { characters, kept, occurrences } = event;
  return `only the ${kept} most frequent characters were kept: ${characters} others, met ${occurrences} times, are [UNK]; --limit-alphabet sets the limit`;
}

function filesIn(count: number): string {
  return count === 1 ? 'the file' : `${count} files`;
}
