/** `test/golden/classification/`, which `scripts/golden/classification.py` makes with scikit-learn and transformers. */
import { readFileSync } from 'node:fs';

interface GoldenFile {
  readonly logistic_regression: readonly {
    readonly classes: number;
    readonly C: number;
    readonly features: number[];
    readonly labels: number[];
    readonly probabilities: number[][];
  }[];
  readonly scores: {
    readonly truth: number[];
    readonly predictions: number[];
    readonly accuracy: number;
    readonly macro_f1: number;
    readonly precision: number[];
    readonly recall: number[];
    readonly f1: number[];
    readonly support: number[];
    readonly confusion_matrix: number[][];
  };
  readonly sequence_classification: {
    readonly labels: string[];
    readonly texts: (string | [string, string])[];
    readonly probabilities: number[][];
  };
}

export const goldenClassifier = 'test/golden/classification/model';

export const golden = JSON.parse(
  readFileSync('test/golden/classification/golden.json', 'utf8'),
) as GoldenFile;
