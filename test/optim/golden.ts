/** `test/golden/training/optim.json`, which `scripts/golden/optim.py` makes with PyTorch, transformers and numpy. */
import { readFileSync } from 'node:fs';

/** The two parameters: one that decays, and one that does not. */
export interface Pair {
  readonly weight: readonly number[];
  readonly bias: readonly number[];
}

export interface GoldenStep {
  /** Of both gradients together. */
  readonly norm: number;
  readonly values: Pair;
  readonly exp_avg: Pair;
  readonly exp_avg_sq: Pair;
}

export interface GoldenRun {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weight_decay: number;
  /** 0 where gradients are not clipped. */
  readonly clip: number;
  readonly steps: readonly GoldenStep[];
}

interface GoldenFile {
  readonly start: Pair;
  readonly gradients: readonly Pair[];
  readonly learning_rates: readonly number[];
  readonly pytorch: GoldenRun;
  readonly google: GoldenRun;
  readonly schedules: readonly {
    readonly name: 'linear' | 'cosine' | 'constant' | 'constant_with_warmup';
    readonly warmup: number;
    readonly total: number;
    readonly rates: readonly number[];
  }[];
  readonly google_schedules: readonly {
    readonly warmup: number;
    readonly total: number;
    readonly rates: readonly number[];
  }[];
  /** By parameter name, of BertForQuestionAnswering and BertForPreTraining. */
  readonly decays: Readonly<Record<string, boolean>>;
}

export const golden = JSON.parse(readFileSync('test/golden/training/optim.json', 'utf8')) as GoldenFile;

/** The largest difference, as a part of the largest number expected. */
export function relativeError(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (got.length !== expected.length) throw new Error(`${got.length} numbers instead of ${expected.length}`);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < got.length; i++) {
    const distance = Math.abs(got[i]! - expected[i]!);
    difference = Number.isNaN(distance) ? Infinity : Math.max(difference, distance);
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return difference === 0 ? 0 : difference / largest;
}
