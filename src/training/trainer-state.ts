/** `trainer_state.json`, in transformers' form: how far a run is, and its log. */
import { join } from 'node:path';
import { z } from 'zod';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { formatJson, readJsonFile } from './json-file.ts';
import type { TrainingProgress } from './trainer.ts';
import type { EvaluationEntry, LogEntry } from './training-log.ts';

export const TRAINER_STATE_FILE = 'trainer_state.json';

type TrainerState = Pick<TrainingProgress, 'step' | 'totalSteps' | 'logHistory'>;

/** Of an update or of an evaluation: all of an entry's fields are numbers. */
const logEntry = z
  .object({ step: z.int().nonnegative(), epoch: z.number() })
  .catchall(z.number())
  .transform((entry) => entry as LogEntry | EvaluationEntry);

const trainerStateFile = z.object({
  global_step: z.int().nonnegative(),
  max_steps: z.int().nonnegative(),
  log_history: z.array(logEntry),
});

export function formatTrainerState({ step, totalSteps, logHistory }: TrainerState): string {
  return formatJson({
    global_step: step,
    max_steps: totalSteps,
    epoch: logHistory.at(-1)?.epoch ?? 0,
    is_world_process_zero: true,
    log_history: logHistory,
  });
}

export async function writeTrainerState(directory: string, state: TrainerState): Promise<void> {
  await writeFileAtomic(join(directory, TRAINER_STATE_FILE), formatTrainerState(state));
}

/** @throws BertramError `not-found` or `bad-input` */
export async function readTrainerState(directory: string): Promise<TrainerState> {
  const file = await readJsonFile(join(directory, TRAINER_STATE_FILE), trainerStateFile);
  return { step: file.global_step, totalSteps: file.max_steps, logHistory: file.log_history };
}
