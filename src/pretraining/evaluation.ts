/** How well the pretraining heads do on examples that are not trained on: losses and accuracies over all of them. */
import type { BertConfig } from '../bert/index.ts';
import {
  gatherValues,
  inTurns,
  singleProcess,
  unlessAborted,
  type Communicator,
} from '../distributed/index.ts';
import { multiply, scoped, softmaxCrossEntropy, sum, type Tensor } from '../graph/index.ts';
import { compile, type Feeds, type Program } from '../runtime/index.ts';
import type { EvaluationMetrics } from '../training/index.ts';
import type { PretrainingExamples } from './example.ts';
import { isRight, pretrainingObjective } from './objective.ts';
import { pretrainingData } from './pretraining-batches.ts';

/** `eval_results.json`. */
export interface PretrainingMetrics extends EvaluationMetrics {
  /** The sum of the two losses. */
  readonly eval_loss: number;
  /** The mean over all masked places. */
  readonly eval_mlm_loss: number;
  /** The share of masked places whose piece is the likeliest. */
  readonly eval_mlm_accuracy: number;
  /** The mean over all pairs. */
  readonly eval_nsp_loss: number;
  readonly eval_nsp_accuracy: number;
  readonly eval_samples: number;
  readonly eval_predictions: number;
}

export interface PretrainingEvaluationOptions {
  readonly batchSize: number;
  /** The first so many examples; all unless told. */
  readonly maxExamples?: number;
  readonly threads?: number;
  /** The ranks that share the batches: rank r takes batches r, r + size, and so on. */
  readonly ranks?: Communicator;
}

type Total = 'mlmLoss' | 'mlmCorrect' | 'nspLoss' | 'nspCorrect';
type BatchTotals = Readonly<Record<Total | 'predictions', number>>;

export class PretrainingEvaluation {
  readonly #program: Program<Total>;
  readonly #config: BertConfig;
  readonly #examples: PretrainingExamples;
  readonly #options: PretrainingEvaluationOptions;

  private constructor(
    program: Program<Total>,
    config: BertConfig,
    examples: PretrainingExamples,
    options: PretrainingEvaluationOptions,
  ) {
    this.#program = program;
    this.#config = config;
    this.#examples = examples;
    this.#options = options;
  }

  static async create(
    config: BertConfig,
    examples: PretrainingExamples,
    options: PretrainingEvaluationOptions,
  ): Promise<PretrainingEvaluation> {
    const { threads } = options;
    const program = await compile(totals(config), threads === undefined ? {} : { threads });
    return new PretrainingEvaluation(program, config, examples, options);
  }

  /**
   * The batches are those of a single process, and their sums are added up in the same order: the numbers are the same
   * with any number of ranks.
   *
   * @param parameters the model's, by name
   * @param signal cuts the evaluation short, between two batches; on all ranks, once it is aborted on one
   * @throws the reason of `signal`
   */
  async evaluate(parameters: Feeds, signal?: AbortSignal): Promise<PretrainingMetrics> {
    const { maxExamples = Infinity, ranks = singleProcess } = this.#options;
    const samples = Math.min(this.#examples.size, maxExamples);
    const own = await unlessAborted(ranks, () => this.#ownTotals(parameters, samples, signal));
    const { predictions, ...sums } = sumOf(inTurns(await gatherValues(ranks, own)));
    const eval_mlm_loss = sums.mlmLoss / Math.max(1, predictions);
    const eval_nsp_loss = sums.nspLoss / samples;
    return {
      eval_loss: eval_mlm_loss + eval_nsp_loss,
      eval_mlm_loss,
      eval_mlm_accuracy: sums.mlmCorrect / Math.max(1, predictions),
      eval_nsp_loss,
      eval_nsp_accuracy: sums.nspCorrect / samples,
      eval_samples: samples,
      eval_predictions: predictions,
    };
  }

  /** Of the batches of this rank. */
  async #ownTotals(
    parameters: Feeds,
    samples: number,
    signal: AbortSignal | undefined,
  ): Promise<BatchTotals[]> {
    const { batchSize, ranks = singleProcess } = this.#options;
    const { collate } = pretrainingData(this.#examples, this.#config.padTokenId);
    const totals: BatchTotals[] = [];
    for (let begin = ranks.rank * batchSize; begin < samples; begin += ranks.size * batchSize) {
      signal?.throwIfAborted();
      const length = Math.min(batchSize, samples - begin);
      const { feeds, sizes } = collate(Uint32Array.from({ length }, (_, i) => begin + i));
      const results = await this.#program.run({ ...feeds, ...parameters });
      const total = (name: Total): number => Number(results[name].data[0]);
      totals.push({
        ...{ mlmLoss: total('mlmLoss'), mlmCorrect: total('mlmCorrect') },
        ...{ nspLoss: total('nspLoss'), nspCorrect: total('nspCorrect'), predictions: sizes.get('P')! },
      });
    }
    return totals;
  }

  async release(): Promise<void> {
    await this.#program.release();
  }
}

function sumOf(batches: readonly BatchTotals[]): BatchTotals {
  const sum = (name: keyof BatchTotals): number => batches.reduce((total, batch) => total + batch[name], 0);
  return {
    ...{ mlmLoss: sum('mlmLoss'), mlmCorrect: sum('mlmCorrect') },
    ...{ nspLoss: sum('nspLoss'), nspCorrect: sum('nspCorrect'), predictions: sum('predictions') },
  };
}

/** Sums over a batch, each a float32 []: means would weigh the masked places of a small batch more. */
function totals(config: BertConfig): Record<Total, Tensor> {
  const { logits, labels } = pretrainingObjective(config, { training: false });
  const { predictionLogits, seqRelationshipLogits } = logits;
  const { maskedLmIds, maskedLmWeights, nextSentenceLabels } = labels;
  return scoped('evaluation', () => ({
    mlmLoss: sum(multiply(softmaxCrossEntropy(predictionLogits, maskedLmIds), maskedLmWeights)),
    mlmCorrect: sum(multiply(isRight(predictionLogits, maskedLmIds), maskedLmWeights)),
    nspLoss: sum(softmaxCrossEntropy(seqRelationshipLogits, nextSentenceLabels)),
    nspCorrect: sum(isRight(seqRelationshipLogits, nextSentenceLabels)),
  }));
}
