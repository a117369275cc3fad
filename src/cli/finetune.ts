/**
 * `bertram finetune`: the model card's own command, with the flags of transformers' `run_qa.py`.
 *
 * ```
 * bertram finetune --model_name_or_path DIR --train_file train-v1.1.json --validation_file dev-v1.1.json \
 *   --do_train --do_eval --learning_rate 3e-5 --num_train_epochs 2 --max_seq_length 384 --doc_stride 128 \
 *   --output_dir OUT --per_device_train_batch_size 3
 * ```
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Command } from 'commander';
import type { EvaluationMetrics } from '../pipelines/index.ts';
import { readSquadFile } from '../squad/squad-files.ts';
import { writePredictions } from './evaluate.ts';
import { addFinetuneOptions, checkFinetuneFlags, type FinetuneFlags } from './finetune-options.ts';
import { EVAL_RESULTS_FILE, finetuneSeeds } from './finetune-seeds.ts';
import { evaluationOptions, trainQuestionAnswering } from './finetune-training.ts';
import { writeResults } from './results-file.ts';
import { given } from './model-options.ts';
import { addShardingOption, withRanks, type Ranked } from './process-ranks.ts';
import { stoppable, type Stopping } from './stop-signal.ts';
import type { Output, Terminal } from './terminal.ts';
import { TrainingReporter } from './training-reporter.ts';

export function finetuneCommand(terminal: Terminal): Command {
  return addFinetuneOptions(addShardingOption(new Command('finetune'))).action(
    async (flags: FinetuneFlags) => {
      await withRanks(terminal, flags, (ranked, { out, err }) =>
        finetune(ranked, new TrainingReporter(err), out),
      );
    },
  );
}

async function finetune(
  flags: Ranked<FinetuneFlags>,
  reporter: TrainingReporter,
  out: Output,
): Promise<void> {
  checkFinetuneFlags(flags);
  const train = (own: Ranked<FinetuneFlags>) =>
    stoppable(
      (text) => reporter.note(text),
      (signal) => trainQuestionAnswering(own, reporter, signal),
    );
  const evaluateTrained = (own: Ranked<FinetuneFlags>, modelDirectory: string) =>
    stoppable(
      (text) => reporter.note(text),
      (signal) => evaluateModel(own, modelDirectory, signal),
      evaluationStopping(modelDirectory),
    );
  if (flags.seeds !== undefined) {
    await out.json(await finetuneSeeds(flags, flags.seeds, { train, evaluate: evaluateTrained }, reporter));
    return;
  }
  if (flags.doTrain) await train(flags);
  if (flags.doEval)
    await out.json(
      flags.doTrain
        ? await evaluateTrained(flags, flags.outputDir)
        : await evaluateModel(flags, flags.modelNameOrPath),
    );
}

/** The training is done and its model written: what is left may be done at any time. */
const evaluationStopping = (modelDirectory: string): Stopping => ({
  announcement: 'leaves the evaluation; the model is written',
  reason: `stopped before the model was judged; to judge it, --do_eval with --model_name_or_path ${modelDirectory}`,
});

/** Scores the model on the validation file; results and predictions have the names that `run_qa.py` gives them. */
async function evaluateModel(
  flags: Ranked<FinetuneFlags>,
  modelDirectory: string,
  signal?: AbortSignal,
): Promise<EvaluationMetrics> {
  const { evaluate, loadQuestionAnsweringModel } = await import('../pipelines/index.ts');
  const { outputDir, threads, ranks } = flags;
  const dataset = await readSquadFile(flags.validationFile!);
  const model = await loadQuestionAnsweringModel({
    model: modelDirectory,
    ...given({ threads }),
  });
  const evaluation = await evaluate(model, dataset, { ...evaluationOptions(flags), signal });
  if (ranks.rank > 0) return evaluation.metrics;
  await mkdir(outputDir, { recursive: true });
  await writePredictions(outputDir, evaluation, 'eval_');
  await writeResults(join(outputDir, EVAL_RESULTS_FILE), evaluation.metrics);
  return evaluation.metrics;
}
