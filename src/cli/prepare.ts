/** `bertram prepare`: a corpus to pretraining shards. */
import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import { prepare } from '../pretraining/prepare.ts';
import type { PrepareEvent, PrepareResult } from '../pretraining/prepare.ts';
import { badInput } from '../support/errors.ts';
import { given } from './model-options.ts';
import { fraction, positiveWhole, whole } from './option-values.ts';
import { addRankOptions, withRanks, type Ranked } from './process-ranks.ts';
import { ProgressLine } from './progress-line.ts';
import type { Terminal } from './terminal.ts';

interface PrepareFlags {
  readonly input: readonly string[];
  readonly output: string;
  readonly vocab: string;
  readonly uncased?: true;
  readonly sentencePerLine?: true;
  readonly wholeWordMask?: true;
  readonly maxSeqLength: number;
  readonly maxPredictionsPerSeq: number;
  readonly maskedLmProb: number;
  readonly shortSeqProb: number;
  readonly dupeFactor: number;
  readonly heldOut: number;
  readonly shardPieces?: number;
  readonly seed: number;
  readonly workers?: number;
  readonly json?: true;
}

/** [CLS], [SEP], [SEP], and two pieces, since a short sequence has two at least. */
const LEAST_SEQ_LENGTH = 5;
const MOST_SEQ_LENGTH = 65535;

export function prepareCommand(terminal: Terminal): Command {
  return addRankOptions(new Command('prepare'))
    .requiredOption(
      '--input <file...>',
      'texts, plain or gzipped: a paragraph a line, a blank line between documents',
    )
    .requiredOption('--output <dir>', 'where the shards go')
    .requiredOption('--vocab <file>', 'a vocab.txt')
    .option('--uncased', 'lower-case the text and strip accents')
    .option('--sentence-per-line', 'lines are sentences already')
    .option('--whole-word-mask', 'mask whole words rather than pieces')
    .option('--max-seq-length <n>', 'pieces in an example, special tokens included', positiveWhole, 128)
    .option('--max-predictions-per-seq <n>', 'the most pieces masked in an example', positiveWhole, 20)
    .option('--masked-lm-prob <p>', 'the part of the pieces that is masked', fraction, 0.15)
    .option('--short-seq-prob <p>', 'the part of the documents cut to a shorter length', fraction, 0.1)
    .option('--dupe-factor <n>', 'how often each document is used, with other masks', positiveWhole, 10)
    .option(
      '--held-out <p>',
      'the part of the documents that goes to DIR/held-out, to evaluate on',
      fraction,
      0,
    )
    .option('--shard-pieces <n>', 'pieces of text that make a shard (default: 4194304)', positiveWhole)
    .option('--seed <n>', 'of all random draws', whole, 12345)
    .option(
      '--workers <n>',
      'threads; the result is the same with any number (default: one a core)',
      positiveWhole,
    )
    .option('--json', 'print the counts as JSON')
    .action((flags: PrepareFlags) => withRanks(terminal, flags, prepareShards));
}

async function prepareShards(flags: Ranked<PrepareFlags>, { out, err }: Terminal): Promise<void> {
  const { maxSeqLength, maxPredictionsPerSeq, shardPieces } = flags;
  if (maxSeqLength < LEAST_SEQ_LENGTH || maxSeqLength > MOST_SEQ_LENGTH)
    badInput('--max-seq-length', `${LEAST_SEQ_LENGTH} to ${MOST_SEQ_LENGTH}`, String(maxSeqLength));
  if (flags.heldOut === 1) badInput('--held-out', 'less than 1, or nothing is left to train on', '1');
  let progress: ProgressLine | undefined;
  const report = (event: PrepareEvent): void => {
    if (event.type === 'resumed') err.write('going on with the unfinished run\n');
    if (event.type === 'tokenized') {
      const { documents, pieces, emptyDocuments } = event.counts;
      err.write(`tokenized ${documents} documents, ${pieces} pieces\n`);
      if (emptyDocuments > 0) err.write(`warning: ${emptyDocuments} empty documents were left out\n`);
    }
    if (event.type === 'shard')
      (progress ??= new ProgressLine(err, 'pieces')).update(event.piecesDone, event.pieces);
  };
  const began = performance.now();
  const result = await prepare({
    inputs: flags.input,
    outputDir: flags.output,
    vocab: flags.vocab,
    lowercase: flags.uncased === true,
    sentencePerLine: flags.sentencePerLine === true,
    wholeWordMask: flags.wholeWordMask === true,
    maxSeqLength,
    maxPredictionsPerSeq,
    maskedLmProb: flags.maskedLmProb,
    shortSeqProb: flags.shortSeqProb,
    dupeFactor: flags.dupeFactor,
    heldOut: flags.heldOut,
    seed: flags.seed,
    workers: flags.workers ?? flags.threads ?? availableParallelism(),
    ranks: flags.ranks,
    ...given({ shardPieces }),
    onEvent: report,
  }).finally(() => progress?.clear());
  const seconds = (performance.now() - began) / 1000;
  if (flags.json) await out.json(summaryOf(result, seconds));
  else for (const line of linesOf(result, seconds)) await out.line(line);
}

function summaryOf({ corpus, training, heldOut }: PrepareResult, seconds: number) {
  const part = ({ documents, counts, shards }: PrepareResult['training']) => ({
    documents,
    shards: shards.length,
    examples: counts.examples,
    pieces: counts.pieces,
    predictions: counts.predictions,
    random_next: counts.randomNext,
    truncated_pieces: counts.truncated,
  });
  return {
    already_complete: corpus === undefined,
    ...(corpus === undefined
      ? {}
      : {
          documents: corpus.documents,
          empty_documents: corpus.emptyDocuments,
          sentences: corpus.sentences,
          pieces: corpus.pieces,
        }),
    training: part(training),
    ...(heldOut === undefined ? {} : { held_out: part(heldOut) }),
    seconds,
  };
}

function linesOf({ corpus, training, heldOut }: PrepareResult, seconds: number): string[] {
  if (corpus === undefined)
    return [`complete already: ${training.counts.examples} examples, checksums verified`];
  const lines = [
    `${corpus.documents} documents, ${corpus.sentences} sentences, ${corpus.pieces} pieces`,
    `${training.counts.examples} examples in ${training.shards.length} shards, ${seconds.toFixed(1)} s`,
  ];
  if (heldOut !== undefined)
    lines.push(`${heldOut.counts.examples} examples of ${heldOut.documents} documents held out`);
  return lines;
}
