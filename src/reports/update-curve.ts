/**
 * What each update of a run was, in a bounded number of points: when there are too many, neighbours become one. A run of
 * a million updates is so drawn from a few hundred points, each the mean of its updates.
 */
export interface UpdatePoint {
  /** The last of its updates. */
  readonly step: number;
  readonly updates: number;
  /** Means over the updates. */
  readonly loss: number;
  readonly learning_rate: number;
  readonly grad_norm: number;
  readonly samples: number;
  readonly seconds: number;
}

const MOST_POINTS = 512;

export class UpdateCurve {
  #points: UpdatePoint[];
  /** Updates of a point, a power of two. */
  #width: number;

  constructor(points: readonly UpdatePoint[] = []) {
    this.#points = [...points];
    this.#width = points.reduce((most, { updates }) => Math.max(most, updates), 1);
  }

  get points(): readonly UpdatePoint[] {
    return this.#points;
  }

  /** @param update one update */
  add(update: UpdatePoint): void {
    const last = this.#points.at(-1);
    if (last !== undefined && last.updates + update.updates <= this.#width)
      this.#points[this.#points.length - 1] = joined(last, update);
    else this.#points.push(update);
    if (this.#points.length <= MOST_POINTS) return;
    this.#width *= 2;
    const all = this.#points;
    this.#points = [];
    for (const point of all) {
      const before = this.#points.at(-1);
      if (before !== undefined && before.updates + point.updates <= this.#width)
        this.#points[this.#points.length - 1] = joined(before, point);
      else this.#points.push(point);
    }
  }
}

function joined(a: UpdatePoint, b: UpdatePoint): UpdatePoint {
  const updates = a.updates + b.updates;
  const mean = (name: 'loss' | 'learning_rate' | 'grad_norm'): number =>
    (a[name] * a.updates + b[name] * b.updates) / updates;
  return {
    step: b.step,
    updates,
    loss: mean('loss'),
    learning_rate: mean('learning_rate'),
    grad_norm: mean('grad_norm'),
    samples: a.samples + b.samples,
    seconds: a.seconds + b.seconds,
  };
}
