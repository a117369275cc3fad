/**
 * One step of training, in two programs: gradients of a batch, and the update of the parameters.
 *
 * They are two because the update writes over the parameters, and inside one program a gradient could still be reading
 * them. The update runs over blocks whose intermediate results stay in the processor's cache.
 */
import { singleProcess, type Communicator } from '../distributed/index.ts';
import { add, input } from '../graph/index.ts';
import {
  adamWScalars,
  adamWUpdate,
  clippingFactor,
  sumOfSquares,
  type AdamWOptions,
  type AdamWUpdate,
} from '../optim/index.ts';
import { compile, type Feeds, type HostTensor, type Program } from '../runtime/index.ts';
import { shareFeeds, type SharedMeans, type Shares } from './batch-shares.ts';
import { DropoutMasks } from './dropout-masks.ts';
import { gradientGraph, type Objective } from './gradient-graph.ts';
import { gradientExchange, type GradientExchange, type Slice } from './gradient-exchange.ts';
import type { Recompute } from './recomputation.ts';
import { TrainingState } from './training-state.ts';

/** The loss of a batch, and the objective's other metrics. */
export interface BatchMetrics {
  readonly loss: number;
  readonly [metric: string]: number;
}

export interface TrainStepOptions {
  readonly optimizer: AdamWOptions;
  /** The global norm that gradients are clipped to; 0 leaves them as they are. */
  readonly maxGradNorm: number;
  readonly seed: number;
  readonly threads?: number;
  readonly keepMemory?: boolean;
  /** Of the products in linear layers; see `LowerOptions`. */
  readonly linearPrecision?: 'float32' | 'int8';
  /** What the backward pass computes a second time, to need less memory; `cheap` for large models unless told. */
  readonly recompute?: Recompute;
  /** The ranks whose gradients are added up; this process alone unless told. */
  readonly ranks?: Communicator;
  /** Each rank keeps the moments of a slice of the parameters only. */
  readonly shardOptimizer?: boolean;
}

/** Numbers that an update handles at a time: what it computes of them stays in the cache, and few runs are needed. */
const BLOCK = 2 ** 18;

type ScalarFeeds = Record<string, HostTensor>;

export class TrainStep {
  readonly state: TrainingState;
  readonly #options: TrainStepOptions;
  readonly #masks: DropoutMasks;
  readonly #gradients: Program;
  readonly #update: Program<keyof AdamWUpdate>;
  readonly #norm: Program<'square'>;
  readonly #accumulate: Program<'sum'>;
  readonly #parameterFeeds: Feeds;
  readonly #exchange: GradientExchange;
  /** Of a batch of which this rank has no part. */
  readonly #noMetrics: BatchMetrics;
  /** What the objective's means are over, as letters of a batch's sizes. */
  readonly shareLetters: readonly string[];
  /** Where the gradients of an update's first batch go, and those of later ones until they are added. */
  readonly #targets: Record<string, HostTensor>;
  #later: { readonly values: Float32Array; readonly targets: Record<string, HostTensor> } | undefined;
  #batches = 0;

  private constructor(
    state: TrainingState,
    options: TrainStepOptions,
    masks: DropoutMasks,
    means: SharedMeans,
    programs: {
      gradients: Program;
      update: Program<keyof AdamWUpdate>;
      norm: Program<'square'>;
      accumulate: Program<'sum'>;
    },
  ) {
    this.state = state;
    this.#options = options;
    this.#masks = masks;
    this.#gradients = programs.gradients;
    this.#update = programs.update;
    this.#norm = programs.norm;
    this.#accumulate = programs.accumulate;
    this.#parameterFeeds = state.valueViews();
    this.#targets = gradientTargets(state, state.gradients);
    const { ranks = singleProcess, shardOptimizer = false } = options;
    this.#exchange = gradientExchange(ranks, state.values.length, shardOptimizer);
    this.shareLetters = means.letters;
    const zeros = Object.keys(means.outputs).map((name) => [name, 0] as const);
    this.#noMetrics = { loss: 0, ...Object.fromEntries(zeros) };
  }

  /** Compiles the programs. Parameters are zero until they are initialised or loaded into `state`. */
  static async create(objective: Objective, options: TrainStepOptions): Promise<TrainStep> {
    const { parameters, dropout } = objective;
    const { means, gradients } = gradientGraph(objective, options.recompute);
    const engine = {
      ...(options.threads === undefined ? {} : { threads: options.threads }),
      ...(options.keepMemory === undefined ? {} : { keepMemory: options.keepMemory }),
    };
    const outputs = Object.fromEntries(parameters.map(({ name }, i) => [gradientName(name), gradients[i]!]));
    const programs = {
      gradients: await compile(
        { ...means.outputs, ...outputs },
        { ...engine, linearPrecision: options.linearPrecision ?? 'float32' },
      ),
      update: await compile({ ...adamWUpdate(options.optimizer) }, engine),
      norm: await compile({ square: sumOfSquares() }, engine),
      accumulate: await compile(
        { sum: add(input('a', 'float32', ['n']), input('b', 'float32', ['n'])) },
        engine,
      ),
    };
    const state = new TrainingState(parameters);
    return new TrainStep(state, options, new DropoutMasks(dropout.sites, options.seed), means, programs);
  }

  /**
   * Computes the gradients of a batch and adds them to those since the last update.
   *
   * @param batch the objective's inputs
   * @param sizes the sizes of the batch's letters, such as B and S
   * @param number of the batch in the run: it decides the dropout masks
   * @param shares of the batch that this rank has a part of, by `shareLetters`; all of it unless told
   * @returns the metrics, multiplied by the shares
   */
  async backward(
    batch: Feeds,
    sizes: ReadonlyMap<string, number>,
    number: number,
    shares?: Shares,
  ): Promise<BatchMetrics> {
    const feeds = {
      ...batch,
      ...shareFeeds(this.shareLetters, shares),
      ...this.#masks.draw(number, sizes),
      ...this.#parameterFeeds,
    };
    const first = this.#batches === 0;
    const targets = first ? this.#targets : this.#laterBatch().targets;
    const results = await this.#gradients.run(feeds, targets);
    if (!first) await this.#addLaterBatch();
    this.#batches += 1;
    const scalars = Object.entries(results).filter(([name]) => !Object.hasOwn(targets, name));
    const metrics = Object.fromEntries(scalars.map(([name, { data }]) => [name, Number(data[0])]));
    return metrics as { readonly loss: number };
  }

  /** The part of the flat arrays whose moments this rank keeps. */
  get ownSlice(): Slice {
    return this.#exchange;
  }

  /** Instead of `backward` of a batch of which this rank has no part. */
  skip(): BatchMetrics {
    if (this.#batches === 0) this.state.gradients.fill(0);
    this.#batches += 1;
    return this.#noMetrics;
  }

  /**
   * Updates the parameters with the mean gradient of the batches since the last update, those of all ranks.
   *
   * @param step the number of this update, from 1
   * @returns the global norm of the gradient, before clipping; where it is not finite, nothing has been updated
   */
  async update(step: number, learningRate: number): Promise<number> {
    const { begin, end } = this.#exchange;
    const gradients = await this.#exchange.sum(this.state.gradients);
    const perBatch = 1 / this.#batches;
    const squares = await this.#exchange.total(await this.#sumOfSquares(gradients));
    const norm = Math.sqrt(squares) * perBatch;
    // Parameters stay as they are, for whoever asks what broke.
    if (!Number.isFinite(norm)) return norm;
    const scale = perBatch * clippingFactor(norm, this.#options.maxGradNorm);
    for (const group of this.state.groups) {
      const scalars: ScalarFeeds = {};
      for (const [name, value] of Object.entries(
        adamWScalars(this.#options.optimizer, step, learningRate, scale, group.decays),
      )) {
        scalars[name] = { data: Float32Array.of(value as number), shape: [] };
      }
      const own = blocks(Math.max(begin, group.begin), Math.min(end, group.end));
      for (const block of own) {
        const parameter = block(this.state.values);
        const first_moment = block(this.state.firstMoments);
        const second_moment = block(this.state.secondMoments);
        await this.#update.run(
          { ...scalars, parameter, first_moment, second_moment, gradient: block(gradients, begin) },
          { next_parameter: parameter, next_first_moment: first_moment, next_second_moment: second_moment },
        );
      }
    }
    await this.#exchange.spread(this.state.values);
    this.#batches = 0;
    return norm;
  }

  async release(): Promise<void> {
    await Promise.all(
      [this.#gradients, this.#update, this.#norm, this.#accumulate].map((program) => program.release()),
    );
  }

  /** Block by block, and the blocks in double precision: exact enough for any size, and the same at any thread count. */
  async #sumOfSquares(values: Float32Array): Promise<number> {
    let total = 0;
    for (const block of blocks(0, values.length)) {
      const { square } = await this.#norm.run({ gradient: block(values) });
      total += Number(square.data[0]);
    }
    return total;
  }

  #laterBatch(): { readonly values: Float32Array; readonly targets: Record<string, HostTensor> } {
    if (this.#later === undefined) {
      const values = new Float32Array(this.state.gradients.length);
      this.#later = { values, targets: gradientTargets(this.state, values) };
    }
    return this.#later;
  }

  async #addLaterBatch(): Promise<void> {
    const total = this.state.gradients;
    const { values } = this.#laterBatch();
    for (const block of blocks(0, total.length)) {
      const sum = block(total);
      await this.#accumulate.run({ a: sum, b: block(values) }, { sum });
    }
  }
}

/**
 * For each block of the numbers `begin` to `end` - 1: what cuts that block, without a copy, out of a flat array, or out of
 * a slice of one that begins at number `first`.
 */
function* blocks(begin: number, end: number): Generator<(flat: Float32Array, first?: number) => HostTensor> {
  for (let from = begin; from < end; from += BLOCK) {
    const to = Math.min(end, from + BLOCK);
    yield (flat, first = 0) => ({ data: flat.subarray(from - first, to - first), shape: [to - from] });
  }
}

const gradientName = (parameter: string): string => `gradient of ${parameter}`;

function gradientTargets(state: TrainingState, flat: Float32Array): Record<string, HostTensor> {
  return Object.fromEntries(
    state.parameters.map(({ name }) => [gradientName(name), state.viewOf(flat, name)]),
  );
}
