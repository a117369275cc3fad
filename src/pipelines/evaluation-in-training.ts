/**
 * The score of a question-answering model while it trains: its program reads the weights where training keeps them, so
 * that there is no second copy of them and no file.
 */
import type { BertConfig } from '../bert/index.ts';
import type { HostTensor } from '../runtime/index.ts';
import type { SquadDataset } from '../squad/index.ts';
import type { BertTokenizer } from '../tokenizers/index.ts';
import { evaluate, type EvaluationMetrics, type EvaluationOptions } from './evaluation.ts';
import { QuestionAnsweringModel } from './question-answering-model.ts';

/** What a log tells of an evaluation, in transformers' names: `eval_exact_match`, `eval_f1`, `eval_runtime`, … */
export type LoggedMetrics = Readonly<Record<`eval_${string}`, number>>;

export interface EvaluationInTrainingOptions extends EvaluationOptions {
  /** How errors call the model. */
  readonly name: string;
  readonly config: BertConfig;
  readonly tokenizer: BertTokenizer;
  readonly dataset: Pick<SquadDataset, 'examples'>;
  readonly threads?: number;
}

export class EvaluationInTraining {
  readonly #options: EvaluationInTrainingOptions;
  #model: QuestionAnsweringModel | undefined;

  constructor(options: EvaluationInTrainingOptions) {
    this.#options = options;
  }

  /**
   * @param parameters the model's, by name: the same arrays in every call, with the numbers of the moment
   * @param signal cuts the evaluation short, which then throws its reason
   */
  async evaluate(
    parameters: Readonly<Record<string, HostTensor<Float32Array>>>,
    signal?: AbortSignal,
  ): Promise<LoggedMetrics> {
    const { dataset, ...options } = this.#options;
    this.#model ??= await this.#create(parameters);
    const { metrics } = await evaluate(this.#model, dataset, { ...options, signal });
    return loggedMetrics(metrics);
  }

  /** Frees the engine's memory. */
  async release(): Promise<void> {
    await this.#model?.release();
    this.#model = undefined;
  }

  #create(parameters: Readonly<Record<string, HostTensor<Float32Array>>>): Promise<QuestionAnsweringModel> {
    const { name, config, tokenizer, threads } = this.#options;
    const float32 = new Map(Object.entries(parameters).map(([parameter, { data }]) => [parameter, data]));
    const weights = { float32, int8: new Map<string, never>() };
    const parts = { name, config, tokenizer, weights, weightsChange: true };
    return QuestionAnsweringModel.create(threads === undefined ? parts : { ...parts, threads });
  }
}

/** What transformers calls otherwise, and what says nothing of the model. */
const RENAMED: Readonly<Record<string, string>> = { windows: 'samples', seconds: 'runtime' };
const LEFT_OUT: ReadonlySet<string> = new Set(['total', 'truncated_questions']);

function loggedMetrics(metrics: EvaluationMetrics): LoggedMetrics {
  const logged = Object.entries(metrics)
    .filter(([name]) => !LEFT_OUT.has(name))
    .map(([name, value]) => [`eval_${RENAMED[name] ?? name}`, value]);
  return Object.fromEntries(logged) as LoggedMetrics;
}
