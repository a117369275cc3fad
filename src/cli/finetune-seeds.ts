/**
 * Several seeds in one command: a run of each in `seed-N`, and what they have in common in `seeds.json`. A run that is
 * finished is not repeated when the command is resumed. No model is copied: `best` names the directory of the best one.
 */
import { join } from 'node:path';
import { readTextFileIfPresent } from '../checkpoint/index.ts';
import { gatherValues, onFirstRank } from '../distributed/index.ts';
import type { EvaluationMetrics } from '../pipelines/index.ts';
import type { TrainingResult } from '../training/index.ts';
import { bestModelOptions } from './evaluation-options.ts';
import { metricNames, type FinetuneFlags } from './finetune-options.ts';
import { TRAIN_RESULTS_FILE } from './finetune-training.ts';
import { requireEmpty } from './output-directory.ts';
import type { Ranked } from './process-ranks.ts';
import { writeResults } from './results-file.ts';
import { bestRun, seedSummary, seedTable, type SeedRun, type SeedSummary } from './seed-summary.ts';
import type { TrainingReporter } from './training-reporter.ts';

export const EVAL_RESULTS_FILE = 'eval_results.json';
const SEEDS_FILE = 'seeds.json';

type Flags = Ranked<FinetuneFlags>;

/** What is done for each seed. */
export interface SeedWork {
  readonly train: (flags: Flags) => Promise<TrainingResult>;
  readonly evaluate: (flags: Flags, modelDirectory: string) => Promise<EvaluationMetrics>;
}

/** `seeds.json`. Names as they are on disk. */
export interface SeedsReport {
  readonly runs: readonly SeedRun[];
  readonly summary: SeedSummary;
  readonly best: SeedRun;
}

/** @throws BertramError `bad-input` when the output directory holds other work */
export async function finetuneSeeds(
  flags: Flags,
  seeds: readonly number[],
  work: SeedWork,
  reporter: TrainingReporter,
): Promise<SeedsReport> {
  const { outputDir, ranks } = flags;
  const resumes = flags.resumeFromCheckpoint !== undefined;
  // Before any rank writes into it.
  if (!resumes && !flags.overwriteOutputDir)
    await onFirstRank(ranks, () => requireEmpty(outputDir, '--resume_from_checkpoint auto'));
  const runs: SeedRun[] = [];
  for (const [i, seed] of seeds.entries()) {
    const directory = join(outputDir, `seed-${seed}`);
    const name = `seed ${seed}, ${i + 1} of ${seeds.length}`;
    const own: Flags = {
      ...flags,
      seed,
      outputDir: directory,
      ...(resumes ? { resumeFromCheckpoint: 'auto' } : {}),
    };
    const trained = resumes ? await resultsIn(own, TRAIN_RESULTS_FILE) : undefined;
    reporter.note(trained === undefined ? name : `${name}: is trained`);
    const train = trained ?? numbersOf(await work.train(own));
    const evaluated = trained && flags.doEval ? await resultsIn(own, EVAL_RESULTS_FILE) : undefined;
    const metrics = flags.doEval ? (evaluated ?? numbersOf(await work.evaluate(own, directory))) : {};
    const evaluation = Object.entries(metrics).map(([metric, value]) => [`eval_${metric}`, value]);
    runs.push({
      seed,
      directory,
      metrics: { ...train, ...(Object.fromEntries(evaluation) as typeof train) },
    });
  }
  const summary = seedSummary(runs);
  const options = bestModelOptions(flags, true, metricNames(flags));
  const judged = options ?? { metric: 'eval_f1', greaterIsBetter: true };
  const best = flags.doEval
    ? bestRun(runs, judged.metric, judged.greaterIsBetter)
    : bestRun(runs, 'train_loss', false);
  const report = { runs, summary, best };
  if (ranks.rank === 0) await writeResults(join(outputDir, SEEDS_FILE), report);
  for (const line of seedTable(summary, seeds.length)) reporter.note(line);
  return report;
}

/** Results that an earlier run left, as rank 0 finds them. */
async function resultsIn({ outputDir, ranks }: Flags, file: string): Promise<SeedRun['metrics'] | undefined> {
  const text = await readTextFileIfPresent(join(outputDir, file)).catch(() => undefined);
  const [found] = await gatherValues(ranks, text ?? null);
  return found == null ? undefined : numbersOf(JSON.parse(found) as object);
}

function numbersOf(results: object): SeedRun['metrics'] {
  const numbers = Object.entries(results).filter(([, value]) => typeof value === 'number');
  return Object.fromEntries(numbers);
}
