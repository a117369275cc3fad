/** Which batches make which update, and the gradients of an update: what every rank does of each batch. */
import type { Communicator } from '../distributed/index.ts';
import { partOf, sharesOf } from './batch-shares.ts';
import { epochBatches, longestOf } from './batches.ts';
import type { BatchMetrics, TrainStep } from './train-step.ts';
import type { TrainingBatch, TrainingData } from './training-data.ts';
import type { RunLength, TrainingOptions } from './training-options.ts';

export interface NumberedBatch {
  readonly indices: Uint32Array;
  /** Counted over the whole run, so that a resumed run draws the dropout masks it would have drawn. */
  readonly number: number;
}

export interface Update {
  /** From 1. */
  readonly step: number;
  /** Epochs passed when it is done. */
  readonly epoch: number;
  readonly batches: readonly NumberedBatch[];
}

/** Every update that is yet to be made. */
export function* updatesFrom(
  first: number,
  { updatesPerEpoch, totalSteps }: RunLength,
  lengths: ArrayLike<number>,
  options: TrainingOptions,
): Generator<Update> {
  const { gradientAccumulationSteps } = options;
  let step = first;
  for (let epoch = Math.floor(step / updatesPerEpoch); step < totalSteps; epoch++) {
    const all = epochBatches(lengths, epoch, options);
    for (let update = step % updatesPerEpoch; update < updatesPerEpoch && step < totalSteps; update++) {
      const from = update * gradientAccumulationSteps;
      const batches = all
        .slice(from, from + gradientAccumulationSteps)
        .map((indices, i) => ({ indices, number: epoch * all.length + from + i }));
      step += 1;
      yield { step, epoch: step / updatesPerEpoch, batches };
    }
  }
}

/**
 * Adds up the gradients of an update's batches, of this rank's part of each. A part has dropout masks of its own: those
 * of part r of batch n are numbered n * size + r.
 *
 * @returns the means of the batches' metrics over all ranks, and how many examples all batches have
 */
export async function backward(
  engine: TrainStep,
  data: TrainingData,
  batches: readonly NumberedBatch[],
  ranks: Communicator,
): Promise<{ readonly metrics: BatchMetrics; readonly samples: number }> {
  const parts = batches.map((batch) => ownPart(data, batch, ranks));
  const shares =
    ranks.size > 1
      ? await sharesOf(
          parts.map((part) => part?.sizes),
          engine.shareLetters,
          ranks,
        )
      : [];
  const metrics: { loss: number; [metric: string]: number } = { loss: 0 };
  for (const [i, part] of parts.entries()) {
    const ofBatch = part
      ? await engine.backward(part.feeds, part.sizes, part.number, shares[i])
      : engine.skip();
    for (const [name, value] of Object.entries(ofBatch))
      metrics[name] = (metrics[name] ?? 0) + value / batches.length;
  }
  const samples = batches.reduce((sum, { indices }) => sum + indices.length, 0);
  return { metrics: await summed(metrics, ranks), samples };
}

interface NumberedPart extends TrainingBatch {
  /** Decides the dropout masks. */
  readonly number: number;
}

/** This rank's part of a batch; undefined where the batch has too few examples for all ranks. */
function ownPart(
  data: TrainingData,
  { indices, number }: NumberedBatch,
  ranks: Communicator,
): NumberedPart | undefined {
  const own = partOf(indices, ranks);
  if (own.length === 0) return undefined;
  const longest = longestOf(indices, data.lengths);
  return { ...data.collate(own, longest), number: number * ranks.size + ranks.rank };
}

/** Those of an update's batches, one after the other. */
export function* ownParts(
  data: TrainingData,
  batches: readonly NumberedBatch[],
  ranks: Communicator,
): Generator<NumberedPart> {
  for (const batch of batches) {
    const part = ownPart(data, batch, ranks);
    if (part !== undefined) yield part;
  }
}

async function summed(metrics: BatchMetrics, ranks: Communicator): Promise<BatchMetrics> {
  const names = Object.keys(metrics).sort();
  const sums = Float64Array.from(names, (name) => metrics[name]!);
  await ranks.allReduceSum(sums);
  return { ...metrics, ...Object.fromEntries(names.map((name, i) => [name, sums[i]!])) };
}
