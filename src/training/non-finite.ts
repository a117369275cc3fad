/**
 * What broke a run whose loss or gradient is not finite: the first tensor, in the order in which they are computed.
 *
 * Weights come first, then what is fed, then every intermediate result of the forward pass of the same batch with the
 * same dropout masks, and then the gradients of the parameters in the order of the backward pass. The forward pass is
 * computed again, a stretch of the graph at a time, so that this takes no more memory than the step that failed.
 */
import { gradient } from '../autodiff/index.ts';
import { firstNonFinite } from '../checkpoint/index.ts';
import { nodesOf, type Node } from '../graph/index.ts';
import { compile, type Feeds, type HostTensor } from '../runtime/index.ts';
import { BertramError } from '../support/errors.ts';
import { DropoutMasks } from './dropout-masks.ts';
import type { Objective } from './gradient-graph.ts';
import type { TrainStepOptions } from './train-step.ts';
import type { TrainingBatch } from './training-data.ts';
import type { TrainingState } from './training-state.ts';

/** Nodes whose results are looked at in one run. */
const STRETCH = 64;

export interface FailedUpdate {
  readonly step: number;
  readonly loss: number;
  /** Undefined where the loss had ended it before. */
  readonly gradNorm: number | undefined;
  /** What the gradients are of; `number` decides the dropout masks. */
  readonly batches: Iterable<TrainingBatch & { readonly number: number }>;
}

type Numbers = HostTensor<Float32Array>;

/**
 * @param state as it was when loss and gradients were computed: not updated
 * @returns the error that ends the run
 */
export async function nonFiniteError(
  objective: Objective,
  options: TrainStepOptions,
  state: TrainingState,
  { step, loss, gradNorm, batches }: FailedUpdate,
): Promise<BertramError> {
  const got = gradNorm === undefined ? `loss ${loss}` : `loss ${loss} and gradient norm ${gradNorm}`;
  const cause =
    brokenParameter(state) ??
    (await brokenForward(objective, options, state, batches)) ??
    brokenGradient(objective, state) ??
    'every gradient is finite, but not the sum of their squares';
  return new BertramError(
    'failed',
    `training: expected finite numbers at step ${step}, got ${got}: ${cause}`,
  );
}

/**
 * Before parameters are kept: an update that is too large leaves infinities, which no gradient has shown yet.
 *
 * @throws BertramError `failed` naming the first parameter that is not finite
 */
export function requireFiniteParameters(state: TrainingState, step: number): void {
  const broken = brokenParameter(state);
  if (broken === undefined) return;
  throw new BertramError('failed', `training: expected finite parameters after step ${step}: ${broken}`);
}

function brokenParameter(state: TrainingState): string | undefined {
  for (const [name, values] of Object.entries(state.valueViews())) {
    const found = firstIn(values);
    if (found !== undefined) return `parameter ${name} is ${found}`;
  }
  return undefined;
}

async function brokenForward(
  { loss, metrics = {}, dropout }: Objective,
  options: TrainStepOptions,
  state: TrainingState,
  batches: FailedUpdate['batches'],
): Promise<string | undefined> {
  const masks = new DropoutMasks(dropout.sites, options.seed);
  const nodes = nodesOf([loss, ...Object.values(metrics)]);
  const computed = nodes.filter(({ op }) => op !== 'input' && op !== 'constant');
  for (const { feeds, sizes, number } of batches) {
    for (const [name, fed] of Object.entries(feeds)) {
      const found = fed.data instanceof Float32Array ? firstIn(fed as Numbers) : undefined;
      if (found !== undefined) return `input ${name} is ${found}`;
    }
    const all = { ...feeds, ...masks.draw(number, sizes), ...state.valueViews() };
    for (let begin = 0; begin < computed.length; begin += STRETCH) {
      const found = await firstBroken(computed.slice(begin, begin + STRETCH), all, options);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

async function firstBroken(
  nodes: readonly Node[],
  feeds: Feeds,
  { threads, linearPrecision = 'float32' }: TrainStepOptions,
): Promise<string | undefined> {
  const floats = nodes.flatMap(({ outputs }) => outputs.filter(({ dtype }) => dtype === 'float32'));
  const named = floats.map((tensor, i) => [`result ${i}`, tensor] as const);
  const engine = threads === undefined ? {} : { threads };
  const program = await compile(Object.fromEntries(named), { ...engine, linearPrecision });
  try {
    const wanted = program.inputs.map(({ name }) => [name, feeds[name]!] as const);
    const results = await program.run(Object.fromEntries(wanted));
    for (const [name, { node }] of named) {
      const found = firstIn(results[name] as Numbers);
      if (found === undefined) continue;
      const source = node.source === undefined ? '' : ` (${node.source})`;
      return `${node.label}${source} is ${found}`;
    }
    return undefined;
  } finally {
    await program.release();
  }
}

/** Of the gradients that were added up for the update. */
function brokenGradient({ loss, parameters }: Objective, state: TrainingState): string | undefined {
  const gradients = gradient(
    loss,
    parameters.map(({ tensor }) => tensor),
  );
  const inOrder = parameters
    .map(({ name }, i) => ({ name, number: gradients[i]!.node.number }))
    .sort((a, b) => a.number - b.number);
  for (const { name } of inOrder) {
    const found = firstIn(state.viewOf(state.gradients, name));
    if (found !== undefined) return `the gradient of ${name} is ${found}`;
  }
  return undefined;
}

/** `NaN at [2, 0, 5]` */
function firstIn({ data, shape }: Numbers): string | undefined {
  const index = firstNonFinite(data);
  if (index < 0) return undefined;
  const place = shape.map((size, axis) => {
    const below = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
    return Math.floor(index / below) % size;
  });
  return `${data[index]}${place.length === 0 ? '' : ` at [${place.join(', ')}]`}`;
}
