/** Learning rates over a run. */

/** The factor on the peak learning rate at an update, from 0 for the first one. */
export type Schedule = (update: number) => number;

/** Those of transformers. */
export const scheduleNames = ['linear', 'constant', 'constant_with_warmup', 'cosine'] as const;
export type ScheduleName = (typeof scheduleNames)[number] | 'pretraining';

/**
 * The schedules of transformers' `get_scheduler`: a linear rise over the warm-up, then a fall to 0 at the last update
 * (`linear`, `cosine`) or none (`constant_with_warmup`); `constant` has neither. `pretraining` is the schedule of
 * google-research/bert, {@link pretrainingSchedule}.
 */
export function schedule(name: ScheduleName, warmupUpdates: number, totalUpdates: number): Schedule {
  const warm = (update: number, then: Schedule): number =>
    update < warmupUpdates ? update / Math.max(1, warmupUpdates) : then(update);
  const decayUpdates = Math.max(1, totalUpdates - warmupUpdates);
  switch (name) {
    case 'constant':
      return () => 1;
    case 'constant_with_warmup':
      return (update) => warm(update, () => 1);
    case 'linear':
      return (update) => warm(update, (at) => Math.max(0, (totalUpdates - at) / decayUpdates));
    case 'cosine':
      return (update) =>
        warm(update, (at) => 0.5 * (1 + Math.cos((Math.PI * (at - warmupUpdates)) / decayUpdates)));
    case 'pretraining':
      return pretrainingSchedule(warmupUpdates, totalUpdates);
  }
}

/**
 * google-research/bert's `create_optimizer`: the linear decay runs from update 0, unshifted by the warm-up, which
 * overrides it while it lasts.
 */
export function pretrainingSchedule(warmupUpdates: number, totalUpdates: number): Schedule {
  return (update) =>
    update < warmupUpdates ? update / warmupUpdates : Math.max(0, 1 - update / totalUpdates);
}
