/**
 * Batches that several ranks compute together, a part each.
 *
 * Losses and metrics are means over a batch. Each rank multiplies the means over its part by the share that it has of
 * what they are means over, so that sums over all ranks are the means over the whole batch; the same goes for
 * gradients. With 3 of 8 examples and 7 of 20 masked places, means over examples are multiplied by 3/8 and means over
 * masked places by 7/20. A process that works alone has a share of 1 in everything.
 */
import type { Communicator } from '../distributed/index.ts';
import { add, input, multiply, type Tensor } from '../graph/index.ts';
import type { Feeds } from '../runtime/index.ts';

/** The letter of a batch's sizes that means are over unless told: its examples. */
const EXAMPLES = 'B';

/** How losses and metrics are means. */
export interface BatchMeans {
  /** float32 []. A mean over the batch's examples, or the sum of `lossTerms`. */
  readonly loss: Tensor;
  /** What else is worth knowing of a batch, by the names it has in logs; each a float32 []. */
  readonly metrics?: Readonly<Record<string, Tensor>>;
  /** The metrics that the loss is the sum of, where it is not itself a mean over the batch's examples. */
  readonly lossTerms?: readonly string[];
  /** What metrics are means over, as a letter of the batch's sizes, where it is not the examples. */
  readonly meanOver?: Readonly<Record<string, string>>;
}

/** A rank's share of a batch, by letters of its sizes. */
export type Shares = ReadonlyMap<string, number>;

export interface SharedMeans {
  /** The loss and the metrics, multiplied by this rank's shares. */
  readonly outputs: Readonly<Record<string, Tensor>> & { readonly loss: Tensor };
  /** The letters that there are shares of. */
  readonly letters: readonly string[];
}

export function sharedMeans({ loss, metrics = {}, lossTerms, meanOver = {} }: BatchMeans): SharedMeans {
  const letterOf = (name: string): string => meanOver[name] ?? EXAMPLES;
  const letters = [...new Set([EXAMPLES, ...Object.keys(metrics).map(letterOf)])];
  const shares = new Map(letters.map((letter) => [letter, input(inputName(letter), 'float32', [])]));
  const shared = (mean: Tensor, letter: string): Tensor => multiply(mean, shares.get(letter)!);
  const outputs = Object.fromEntries(
    Object.entries(metrics).map(([name, mean]) => [name, shared(mean, letterOf(name))]),
  );
  const terms = lossTerms?.map((name) => outputs[name]!) ?? [shared(loss, EXAMPLES)];
  return { outputs: { ...outputs, loss: terms.reduce((sum, term) => add(sum, term)) }, letters };
}

/** The inputs of the graph that `sharedMeans` makes. */
export function shareFeeds(letters: readonly string[], shares: Shares | undefined): Feeds {
  return Object.fromEntries(
    letters.map((letter) => [
      inputName(letter),
      { data: Float32Array.of(shares?.get(letter) ?? 1), shape: [] },
    ]),
  );
}

const inputName = (letter: string): string => `share of ${letter}`;

/** A rank's part of a batch: of 7 examples, the three ranks have 2, 2 and 3. Some parts of a small batch are empty. */
export function partOf(batch: Uint32Array, { rank, size }: Pick<Communicator, 'rank' | 'size'>): Uint32Array {
  const bound = (r: number): number => Math.floor((batch.length * r) / size);
  return batch.subarray(bound(rank), bound(rank + 1));
}

/**
 * This rank's shares of several batches, by what all ranks tell each other of the sizes of their parts.
 *
 * @param parts the sizes of this rank's part of each batch; undefined where it is empty
 */
export async function sharesOf(
  parts: readonly (ReadonlyMap<string, number> | undefined)[],
  letters: readonly string[],
  ranks: Communicator,
): Promise<Shares[]> {
  const own = Float64Array.from(parts.flatMap((sizes) => letters.map((letter) => sizes?.get(letter) ?? 0)));
  const all = own.slice();
  await ranks.allReduceSum(all);
  return parts.map(
    (_, batch) =>
      new Map(
        letters.map((letter, i) => {
          const at = batch * letters.length + i;
          return [letter, own[at]! / Math.max(1, all[at]!)];
        }),
      ),
  );
}
