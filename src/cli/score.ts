/** `bertram score`: EM and F1 of anybody's predictions, as `evaluate-v1.1.py` and `evaluate-v2.0.py` print them. */
import { Command } from 'commander';
import {
  scoreSquadV1,
  scoreSquadV2,
  squadV1Report,
  squadV2Report,
  type SquadExample,
} from '../squad/index.ts';
import { readNullOddsFile, readPredictionsFile, readSquadFile } from '../squad/squad-files.ts';
import { number } from './option-values.ts';
import type { Terminal } from './terminal.ts';

interface ScoreFlags {
  readonly dataset: string;
  readonly predictions: string;
  readonly nullOdds?: string;
  readonly naProbThresh: number;
  readonly json?: true;
}

export function scoreCommand(terminal: Terminal): Command {
  return new Command('score')
    .requiredOption('--dataset <file>', 'SQuAD JSON or JSON lines, plain or gzipped')
    .requiredOption('--predictions <file>', 'JSON from question ids to answers')
    .option('--null-odds <file>', 'JSON from question ids to the score of no answer (v2.0)')
    .option('--na-prob-thresh <x>', 'null odds above this make a prediction "no answer" (v2.0)', number, 1)
    .option('--json', 'print one line of JSON')
    .action((flags: ScoreFlags) => score(flags, terminal));
}

async function score(flags: ScoreFlags, { out, err }: Terminal): Promise<void> {
  const { examples } = await readSquadFile(flags.dataset);
  const predictions = await readPredictionsFile(flags.predictions);
  const nullOdds = flags.nullOdds === undefined ? undefined : await readNullOddsFile(flags.nullOdds);
  const { report, unanswered } = scoreOf(examples, predictions, nullOdds, flags.naProbThresh);
  if (unanswered.length > 0) {
    err.write(
      `warning: ${unanswered.length} of ${examples.length} questions have no prediction and score 0\n`,
    );
  }
  await out.line(JSON.stringify(report, null, flags.json ? undefined : 2));
}

/** By the rules of v2.0 if a question has no answer or there are null odds, else by those of v1.1. */
function scoreOf(
  examples: readonly SquadExample[],
  predictions: ReadonlyMap<string, string>,
  nullOdds: ReadonlyMap<string, number> | undefined,
  noAnswerThreshold: number,
): { readonly report: Record<string, number>; readonly unanswered: readonly string[] } {
  if (nullOdds === undefined && !examples.some(({ isImpossible }) => isImpossible)) {
    const scores = scoreSquadV1(examples, predictions);
    return { report: { ...squadV1Report(scores), total: scores.total }, unanswered: scores.unanswered };
  }
  const options = nullOdds === undefined ? { noAnswerThreshold } : { nullOdds, noAnswerThreshold };
  const scores = scoreSquadV2(examples, predictions, options);
  return { report: { exact_match: scores.exact, ...squadV2Report(scores) }, unanswered: scores.unanswered };
}
