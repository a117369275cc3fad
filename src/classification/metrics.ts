/** How well predicted classes fit the true ones: accuracy, precision, recall and F1 as scikit-learn defines them. */

export interface ClassScores {
  readonly label: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  /** Examples of the class. */
  readonly support: number;
}

export interface ClassificationMetrics {
  readonly examples: number;
  readonly accuracy: number;
  /** The mean of the classes' F1, each counting the same. */
  readonly macro_f1: number;
  readonly per_class: readonly ClassScores[];
  /** [true class][predicted class], both in the order of `per_class`. */
  readonly confusion_matrix: readonly (readonly number[])[];
}

/**
 * @param truth [n] indices of labels; so is `predictions`
 */
export function classificationMetrics(
  labels: readonly string[],
  truth: ArrayLike<number>,
  predictions: ArrayLike<number>,
): ClassificationMetrics {
  const matrix = labels.map(() => labels.map(() => 0));
  for (let i = 0; i < truth.length; i++) matrix[truth[i]!]![predictions[i]!]! += 1;
  const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);
  const perClass = labels.map((label, i) => {
    const hits = matrix[i]![i]!;
    const support = total(matrix[i]!);
    const predicted = total(matrix.map((row) => row[i]!));
    // A class that is neither there nor predicted scores 0, as in scikit-learn.
    return {
      label,
      precision: share(hits, predicted),
      recall: share(hits, support),
      f1: share(2 * hits, support + predicted),
      support,
    };
  });
  return {
    examples: truth.length,
    accuracy: share(total(matrix.map((row, i) => row[i]!)), truth.length),
    macro_f1: share(total(perClass.map(({ f1 }) => f1)), labels.length),
    per_class: perClass,
    confusion_matrix: matrix,
  };
}

function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
