import { describe, expect, it } from 'vitest';
import { UpdateCurve, type UpdatePoint } from '../../src/reports/update-curve.ts';

const update = (step: number): UpdatePoint => ({
  ...{ step, updates: 1, loss: (step * 7919) % 101, learning_rate: step, grad_norm: 1 / step },
  ...{ samples: 3, seconds: 0.25 },
});

describe('the curve of updates', () => {
  it('has every update while they are few', () => {
    const curve = new UpdateCurve();
    for (let step = 1; step <= 512; step++) curve.add(update(step));
    expect(curve.points).toEqual(Array.from({ length: 512 }, (_, i) => update(i + 1)));
  });

  it.each([513, 1023, 5000])('has means of all of %d updates in at most 512 points', (updates) => {
    const curve = new UpdateCurve();
    for (let step = 1; step <= updates; step++) curve.add(update(step));
    const { points } = curve;
    expect(points.length).toBeLessThanOrEqual(512);
    expect(points.length).toBeGreaterThan(250);
    expect(points.at(-1)!.step).toBe(updates);
    let begin = 0;
    for (const point of points) {
      const own = Array.from({ length: point.step - begin }, (_, i) => update(begin + 1 + i));
      expect(point.updates).toBe(own.length);
      expect(point.samples).toBe(3 * own.length);
      expect(point.loss).toBeCloseTo(own.reduce((sum, { loss }) => sum + loss, 0) / own.length, 9);
      begin = point.step;
    }
    expect(begin).toBe(updates);
  });

  it('is the same when a run was interrupted', () => {
    const [whole, first] = [new UpdateCurve(), new UpdateCurve()];
    for (let step = 1; step <= 2000; step++) whole.add(update(step));
    for (let step = 1; step <= 1300; step++) first.add(update(step));
    const second = new UpdateCurve(first.points);
    for (let step = 1301; step <= 2000; step++) second.add(update(step));
    expect(second.points).toEqual(whole.points);
  });
});
