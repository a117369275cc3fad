/**
 * `trainer_state.json`, in transformers' form (`TrainerState` of `trainer_callback.py`): how far a run is, its log, and
 * its best evaluation. The file has its fields in snake_case; this is the one place where they are mapped.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../checkpoint/index.ts';
import type { BestRecord } from './best-model.ts';
import { readJsonFile } from './json-file.ts';
import type { TrainingProgress } from './training-hooks.ts';
import type { EvaluationEntry, LogEntry } from './training-log.ts';
import type { TrainingOptions } from './training-options.ts';
import { formatJson } from '../support/json-text.ts';

export const TRAINER_STATE_FILE = 'trainer_state.json';

type TrainerState = Pick<TrainingProgress, 'step' | 'totalSteps' | 'logHistory' | 'best'>;

/** Of an update or of an evaluation: all of an entry's fields are numbers. */
const logEntry = z
  .object({ step: z.int().nonnegative(), epoch: z.number() })
  .catchall(z.number())
  .transform((entry) => entry as LogEntry | EvaluationEntry);

const step = z.int().nonnegative();
const earlyStopping = z.object({ attributes: z.object({ early_stopping_patience_counter: step }) });

const trainerStateFile = z.object({
  global_step: step,
  max_steps: step,
  log_history: z.array(logEntry),
  best_metric: z.number().nullish(),
  best_global_step: step.nullish(),
  stateful_callbacks: z.object({ EarlyStoppingCallback: earlyStopping.optional() }).nullish(),
});

/** @param outputDir of the run, where its checkpoints are */
export function formatTrainerState(
  state: TrainerState & Pick<TrainingProgress, 'options'>,
  outputDir: string,
): string {
  const { step, totalSteps, logHistory, best, options } = state;
  const isKept = options?.best?.load === true && best?.step !== undefined;
  return formatJson({
    best_global_step: best?.step ?? null,
    best_metric: best?.value ?? null,
    best_model_checkpoint: isKept ? join(outputDir, `checkpoint-${best.step}`) : null,
    epoch: logHistory.at(-1)?.epoch ?? 0,
    ...(options === undefined ? {} : intervalFields(options)),
    global_step: step,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    log_history: logHistory,
    max_steps: totalSteps,
    // Neither is counted, as with transformers' defaults.
    num_input_tokens_seen: 0,
    total_flos: 0,
    stateful_callbacks: callbackFields(options, best),
    trial_name: null,
    trial_params: null,
  });
}

/** An interval of `epoch` has no number there: transformers then writes its default. */
function intervalFields({ loggingSteps, evalSteps, saveSteps, epochs, batchSize }: TrainingOptions) {
  const DEFAULT = 500;
  return {
    eval_steps: typeof evalSteps === 'number' ? evalSteps : DEFAULT,
    logging_steps: loggingSteps,
    num_train_epochs: Math.ceil(epochs),
    save_steps: typeof saveSteps === 'number' ? saveSteps : DEFAULT,
    train_batch_size: batchSize,
  };
}

function callbackFields(options: TrainingOptions | undefined, best: BestRecord | undefined) {
  const { patience, threshold = 0 } = options?.best ?? {};
  if (patience === undefined) return {};
  return {
    EarlyStoppingCallback: {
      args: { early_stopping_patience: patience, early_stopping_threshold: threshold },
      attributes: { early_stopping_patience_counter: best?.misses ?? 0 },
    },
  };
}

export async function writeTrainerState(
  directory: string,
  state: Parameters<typeof formatTrainerState>[0],
): Promise<void> {
  await writeFileAtomic(join(directory, TRAINER_STATE_FILE), formatTrainerState(state, directory));
}

/** @throws BertramError `not-found` or `bad-input` */
export async function readTrainerState(directory: string): Promise<TrainerState> {
  const file = await readJsonFile(join(directory, TRAINER_STATE_FILE), trainerStateFile);
  const { best_metric, best_global_step, stateful_callbacks: callbacks } = file;
  const misses = callbacks?.EarlyStoppingCallback?.attributes.early_stopping_patience_counter;
  const isJudged = best_metric != null || misses !== undefined;
  return {
    ...{ step: file.global_step, totalSteps: file.max_steps, logHistory: file.log_history },
    ...(isJudged
      ? {
          best: { value: best_metric ?? undefined, step: best_global_step ?? undefined, misses: misses ?? 0 },
        }
      : {}),
  };
}
