/** Evaluation while a model trains, the best model and early stopping: transformers' flags, and what they ask of training. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { badInput } from '../support/errors.ts';
import type { BestModelOptions, Interval } from '../training/index.ts';
import { nonNegative, positiveWhole } from './option-values.ts';

const STRATEGIES = ['no', 'steps', 'epoch'] as const;
type Strategy = (typeof STRATEGIES)[number];

export interface BestModelFlags {
  readonly loadBestModelAtEnd?: boolean;
  readonly metricForBestModel?: string;
  readonly greaterIsBetter?: boolean;
  readonly earlyStoppingPatience?: number;
  readonly earlyStoppingThreshold?: number;
}

export interface EvaluationFlags extends BestModelFlags {
  readonly evalStrategy?: Strategy;
  /** The name that it had before transformers 4.41. */
  readonly evaluationStrategy?: Strategy;
  readonly evalSteps?: number;
  readonly saveStrategy: Strategy;
  readonly saveSteps: number;
  readonly loggingSteps: number;
}

/** When a run evaluates and saves, and what it makes of that. */
export interface EvaluationPlan {
  readonly evalSteps: Interval;
  readonly saveSteps: Interval;
  readonly best?: BestModelOptions;
}

export function addEvaluationOptions(command: Command): Command {
  const strategy = (flag: string, what: string): Option => new Option(flag, what).choices(STRATEGIES);
  return addBestModelOptions(
    command
      .addOption(strategy('--eval-strategy <name>', 'when to evaluate while training (default: no)'))
      .addOption(strategy('--evaluation-strategy <name>', 'the same').hideHelp())
      .option(
        '--eval-steps <n>',
        'updates between evaluations; implies steps (default: logging_steps)',
        positiveWhole,
      )
      .addOption(strategy('--save-strategy <name>', 'when to write checkpoints').default('steps')),
  );
}

export function addBestModelOptions(command: Command): Command {
  return command
    .option('--load-best-model-at-end [bool]', 'end with the weights of the best evaluation', truth)
    .option('--metric-for-best-model <name>', 'what the best evaluation is by, such as f1 or eval_loss')
    .option('--greater-is-better [bool]', 'of that metric (default: unless it is a loss)', truth)
    .option(
      '--early-stopping-patience <n>',
      'stop after so many evaluations without improvement',
      positiveWhole,
    )
    .option('--early-stopping-threshold <x>', 'what an improvement must exceed (default: 0)', nonNegative);
}

/** As transformers' parser reads them. */
function truth(text: string): boolean {
  const lower = text.toLowerCase();
  if (['yes', 'true', 't', 'y', '1'].includes(lower)) return true;
  if (['no', 'false', 'f', 'n', '0'].includes(lower)) return false;
  throw new InvalidArgumentError(`expected true or false, got ${JSON.stringify(text)}`);
}

/** The metrics that a task's evaluations have, without `eval_`, the one that decides by default first. */
export type MetricNames = readonly [string, ...string[]];

/** @throws BertramError `bad-input` for flags that contradict each other, in the cases in which transformers refuses them */
export function evaluationPlan(flags: EvaluationFlags, metrics: MetricNames): EvaluationPlan {
  const { evalSteps, saveStrategy, saveSteps, loggingSteps } = flags;
  const evalStrategy = evaluationStrategy(flags);
  if (evalSteps !== undefined && evalStrategy !== 'steps')
    badInput('--eval_steps', '--eval_strategy steps', evalStrategy);
  const interval = (strategy: Strategy, steps: number): Interval =>
    strategy === 'epoch' ? 'epoch' : strategy === 'steps' ? steps : 0;
  const plan = {
    evalSteps: interval(evalStrategy, evalSteps ?? loggingSteps),
    saveSteps: interval(saveStrategy, saveSteps),
  };
  if (evalStrategy === 'steps' && plan.evalSteps === 0)
    badInput('--eval_strategy steps', '--eval_steps, or --logging_steps from 1', 'neither');
  const best = bestModelOptions(flags, evalStrategy !== 'no', metrics);
  if (best?.load) {
    const where = '--load_best_model_at_end';
    if (evalStrategy !== saveStrategy)
      badInput(where, `--save_strategy ${evalStrategy}, as that of evaluation`, saveStrategy);
    if (evalStrategy === 'steps' && (saveSteps === 0 || saveSteps % Number(plan.evalSteps) !== 0))
      badInput(where, `--save_steps in multiples of the ${plan.evalSteps} of --eval_steps`, `${saveSteps}`);
  }
  return { ...plan, ...(best === undefined ? {} : { best }) };
}

function evaluationStrategy({ evalStrategy, evaluationStrategy: old, evalSteps }: EvaluationFlags): Strategy {
  if (evalStrategy !== undefined && old !== undefined && evalStrategy !== old)
    badInput('--evaluation_strategy', `${evalStrategy}, as --eval_strategy`, old);
  return evalStrategy ?? old ?? (evalSteps === undefined ? 'no' : 'steps');
}

/** What the flags make of the evaluations; nothing unless they ask for the best one or for early stopping. */
export function bestModelOptions(
  flags: BestModelFlags,
  evaluates: boolean,
  metrics: MetricNames,
): BestModelOptions | undefined {
  const { loadBestModelAtEnd: load = false, metricForBestModel: named, greaterIsBetter } = flags;
  const { earlyStoppingPatience: patience, earlyStoppingThreshold: threshold } = flags;
  if (threshold !== undefined && patience === undefined)
    badInput('--early_stopping_threshold', '--early_stopping_patience beside it', 'none');
  const asked = load ? '--load_best_model_at_end' : patience && '--early_stopping_patience';
  if (asked !== undefined && asked !== 0 && !evaluates)
    badInput(asked, 'evaluation while training (--eval_strategy steps or epoch)', 'none');
  if (asked === undefined && named === undefined) return undefined;
  const metric = (named ?? metrics[0]).replace(/^eval_/, '');
  if (!metrics.includes(metric)) badInput('--metric_for_best_model', `one of ${metrics.join(', ')}`, metric);
  return {
    metric: `eval_${metric}`,
    greaterIsBetter: greaterIsBetter ?? !metric.endsWith('loss'),
    load,
    ...(patience === undefined ? {} : { patience }),
    ...(threshold === undefined ? {} : { threshold }),
  };
}
