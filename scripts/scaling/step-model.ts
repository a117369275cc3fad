/**
 * A model of how long a training step takes on many ranks. Gradients are computed by each rank for itself; then they are
 * added up by a ring (Thakur et al., 2005): 2 (N - 1) messages one after the other, of a part of N of all numbers each.
 *
 *     step(N) = gradients + 2 (N - 1) latency + 2 (N - 1) / N bytes / bandwidth + update
 *
 * With a sharded optimizer as many bytes travel, and the update takes 1 / N of the time.
 */
export interface Network {
  /** Seconds that a message takes however short it is. */
  readonly latency: number;
  /** Bytes a second that a rank sends, while it receives as many and adds them. */
  readonly bandwidth: number;
}

export interface StepParts {
  /** Seconds of one rank for its part of a batch. */
  readonly gradients: number;
  /** Seconds for all parameters. */
  readonly update: number;
  readonly bytes: number;
}

export function allReduceSeconds(ranks: number, bytes: number, { latency, bandwidth }: Network): number {
  return 2 * (ranks - 1) * latency + (2 * (ranks - 1) * bytes) / (ranks * bandwidth);
}

/** @param accumulation batches whose gradients a rank adds up before all ranks do */
export function stepSeconds(
  ranks: number,
  { gradients, update, bytes }: StepParts,
  network: Network,
  { accumulation = 1, sharded = false } = {},
): number {
  const updating = sharded ? update / ranks : update;
  return accumulation * gradients + allReduceSeconds(ranks, bytes, network) + updating;
}

/** Latency and bandwidth by least squares of relative errors, from all-reduces of several sizes on so many ranks. */
export function fitNetwork(
  ranks: number,
  measured: readonly { readonly bytes: number; readonly seconds: number }[],
): Network {
  // seconds = a x + b y with x = 2 (N - 1), y = 2 (N - 1) / N bytes; weights 1 / seconds.
  let [xx, xy, yy, xt, yt] = [0, 0, 0, 0, 0];
  for (const { bytes, seconds } of measured) {
    const x = (2 * (ranks - 1)) / seconds;
    const y = (2 * (ranks - 1) * bytes) / (ranks * seconds);
    [xx, xy, yy, xt, yt] = [xx + x * x, xy + x * y, yy + y * y, xt + x, yt + y];
  }
  const determinant = xx * yy - xy * xy;
  return {
    latency: (xt * yy - yt * xy) / determinant,
    bandwidth: determinant / (xx * yt - xy * xt),
  };
}
