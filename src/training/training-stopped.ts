/**
 * Thrown by a run that was asked to stop, when its checkpoint is written. Not a failure: it passes through the task, so
 * that nothing is written as if the run had finished.
 */
export class TrainingStopped extends Error {
  override readonly name = 'TrainingStopped';
  /** Updates made. */
  readonly step: number;

  constructor(step: number) {
    super(`stopped after ${step} updates`);
    this.step = step;
  }
}
