import { describe, expect, it } from 'vitest';
import { pretrainingSchedule, schedule, scheduleNames } from '../../src/optim/index.ts';
import { golden } from './golden.ts';

const ratesOf = (factor: (update: number) => number, count: number): number[] =>
  Array.from({ length: count }, (_, update) => factor(update));

function expectClose(got: readonly number[], expected: readonly number[]): void {
  got.forEach((rate, update) => {
    expect(rate, `update ${update}`).toBeCloseTo(expected[update]!, 14);
  });
}

describe('schedule', () => {
  it.each(golden.schedules)(
    'gives the rates of transformers: $name, warm-up $warmup of $total',
    ({ name, warmup, total, rates }) => {
      expectClose(ratesOf(schedule(name, warmup, total), rates.length), rates);
    },
  );

  it('has a golden case of every name', () => {
    expect(new Set(golden.schedules.map(({ name }) => name))).toEqual(new Set(scheduleNames));
  });
});

describe('pretrainingSchedule', () => {
  it.each(golden.google_schedules)(
    "gives the rates of Google's formula: warm-up $warmup of $total",
    ({ warmup, total, rates }) => {
      expectClose(ratesOf(pretrainingSchedule(warmup, total), rates.length), rates);
    },
  );

  it('differs from the linear schedule, which decays from the end of the warm-up', () => {
    expect(pretrainingSchedule(3, 10)(4)).toBeCloseTo(0.6, 14);
    expect(schedule('linear', 3, 10)(4)).toBeCloseTo(6 / 7, 14);
  });
});
