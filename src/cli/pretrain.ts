/**
 * `bertram pretrain`: masked language model and next-sentence prediction, from shards to a model directory.
 *
 * ```
 * bertram pretrain --data shards-128 --config mini --output-dir mini-128 --num-train-steps 90000 --do-eval
 * bertram pretrain --data shards-512 --config mini --output-dir mini --init-checkpoint mini-128 --num-train-steps 10000
 * bertram pretrain --config configs/bert-mini-cased-wwm.json --output-dir mini       # both, by a recipe's phases
 * bertram pretrain --config configs/bert-large-cased-wwm.json --plan                 # what that would cost
 * ```
 */
import { join } from 'node:path';
import { Command } from 'commander';
import { badInput, BertramError } from '../support/errors.ts';
import { addBestModelOptions, bestModelOptions } from './evaluation-options.ts';
import { gradientCheckpointingOption, threadsOption, trainingPrecisionOption } from './model-options.ts';
import { addShardingOption, withRanks } from './process-ranks.ts';
import { fraction, nonNegative, positive, positiveWhole, whole } from './option-values.ts';
import { PRETRAINING_METRICS, type PretrainingFlags } from './pretraining-flags.ts';
import type { Terminal } from './terminal.ts';

export function pretrainCommand(terminal: Terminal): Command {
  return addBestModelOptions(addShardingOption(new Command('pretrain')))
    .option('--data <dir>', 'shards of `bertram prepare` or TFRecord files; of a recipe, where its data lie')
    .option('--config <file>', 'a preset (tiny, mini, small, medium, base, large), config.json or recipe')
    .option('--output-dir <dir>', 'where the model, its checkpoints and results go')
    .option('--overwrite-output-dir', 'train into a directory that is not empty')
    .option('--init-checkpoint <dir>', 'a model whose weights to start from, with a fresh optimizer')
    .option(
      '--resume-from-checkpoint [dir]',
      'go on from a checkpoint; the newest of the output directory unless told; auto: if there is one',
    )
    .option(
      '--uncased',
      'the vocabulary of TFRecord files is of text in lower case; shards say for themselves',
    )
    .option('--train-batch-size <n>', 'examples of an update, on each rank (default: 32)', positiveWhole)
    .option(
      '--gradient-accumulation-steps <n>',
      'parts that they are computed in (default: 1)',
      positiveWhole,
    )
    .option('--learning-rate <x>', 'the peak learning rate (default: 1e-4)', positive)
    .option('--num-train-steps <n>', 'updates, of all phases (default: 100000)', positiveWhole)
    .option(
      '--num-warmup-steps <n>',
      'updates over which the learning rate rises (default: 10000, a tenth of all at the most)',
      whole,
    )
    .option('--max-steps <n>', 'stop after so many updates; the schedule stays as it is', positiveWhole)
    .option('--weight-decay <x>', 'of all but biases and LayerNorm (default: 0.01)', nonNegative)
    .option(
      '--max-grad-norm <x>',
      'clip gradients to this global norm; 0 does not clip (default: 1)',
      nonNegative,
    )
    .option('--dropout <x>', "instead of the configuration's two dropout rates", fraction)
    .option('--save-checkpoints-steps <n>', 'updates between checkpoints; 0 writes none', whole, 1000)
    .option('--save-total-limit <n>', 'checkpoints to keep, the newest', positiveWhole, 2)
    .option('--do-eval', 'evaluate on held-out examples at the end')
    .option('--eval-data <dir>', 'those examples; `held-out` beside the shards unless told')
    .option('--eval-steps <n>', 'evaluate every so many updates, too', positiveWhole)
    .option(
      '--eval-batch-size <n>',
      'examples in an evaluation batch; as in training unless told',
      positiveWhole,
    )
    .option('--max-eval-examples <n>', 'evaluate on the first so many; on all unless told', positiveWhole)
    .option('--logging-steps <n>', 'updates between entries of the log', whole, 100)
    .option('--group-by-length', 'make batches of examples of like length')
    .option('--seed <n>', 'decides first weights, order and dropout masks', whole, 42)
    .addOption(trainingPrecisionOption())
    .addOption(gradientCheckpointingOption())
    .addOption(threadsOption())
    .option('--plan', 'print what the recipe costs, and how long it would take here; train nothing')
    .option('--json', 'print the results, or the plan, as JSON')
    .action(async (flags: PretrainingFlags) => {
      checkFlags(flags);
      if (flags.plan) {
        const { planPretraining } = await import('./pretraining-plan.ts');
        await planPretraining(flags, terminal);
        return;
      }
      const { runPretraining } = await import('./pretraining-run.ts');
      await withRanks(terminal, flags, runPretraining);
    });
}

/** Refuses what cannot work before any work starts. */
function checkFlags(flags: PretrainingFlags): void {
  const { config, initCheckpoint, outputDir, data, evalData, doEval } = flags;
  if (config === undefined && initCheckpoint === undefined)
    throw new BertramError('bad-input', 'expected --config or --init-checkpoint, got neither');
  if (flags.plan) return;
  if (outputDir === undefined) throw new BertramError('bad-input', 'expected --output-dir <dir>, got none');
  const uses = [evalData, flags.evalSteps, flags.evalBatchSize, flags.maxEvalExamples];
  if (!doEval && uses.some((use) => use !== undefined))
    badInput('evaluation', '--do-eval', 'only options of it');
  bestModelOptions(flags, flags.evalSteps !== undefined, PRETRAINING_METRICS);
  if (data !== undefined && join(data) === join(outputDir))
    badInput('--output-dir', 'another directory than --data', outputDir);
}
