/**
 * A tiny BertForPreTraining, its examples and its numbers by transformers and PyTorch: test/golden/pretraining/heads.json,
 * made by scripts/golden/pretraining.py. The weights are made from their names.
 */
import { readFileSync } from 'node:fs';
import { parseBertConfig } from '../../src/bert/index.ts';
import type { Parameter } from '../../src/nn/index.ts';
import type { PretrainingExample, PretrainingExamples } from '../../src/pretraining/index.ts';
import type { HostTensor } from '../../src/runtime/index.ts';
import { pattern } from '../reference/golden-bert.ts';

interface GoldenGradients {
  /** The sum, of the masked places, of the pairs. */
  readonly losses: readonly [number, number, number];
  /** The first 500. */
  readonly prediction_logits: readonly number[];
  readonly seq_relationship_logits: readonly number[];
  /** Projection and norm, by parameter. */
  readonly gradients: Readonly<Record<string, readonly [number, number]>>;
  readonly padding_row: number;
  /** The rates of dropout, in the order of their use. */
  readonly sites: readonly number[];
}

export const golden = JSON.parse(readFileSync('test/golden/pretraining/heads.json', 'utf8')) as {
  readonly config: Readonly<Record<string, number>>;
  readonly examples: readonly {
    readonly input_ids: readonly number[];
    readonly second_segment: number;
    readonly masked_lm_positions: readonly number[];
    readonly masked_lm_ids: readonly number[];
    readonly next_sentence_label: 0 | 1;
  }[];
  readonly plain: GoldenGradients;
  readonly dropout: GoldenGradients;
  readonly options: {
    readonly batch_size: number;
    readonly num_train_steps: number;
    readonly steps: number;
    readonly num_warmup_steps: number;
    readonly learning_rate: number;
    readonly max_grad_norm: number;
  };
  readonly run: {
    readonly losses: readonly number[];
    readonly norms: readonly number[];
    readonly final: Readonly<Record<string, number>>;
  };
};

export const config = parseBertConfig(golden.config);

export const examples = golden.examples.map((example): PretrainingExample => ({
  inputIds: Int32Array.from(example.input_ids),
  secondSegment: example.second_segment,
  maskedLmPositions: Uint16Array.from(example.masked_lm_positions),
  maskedLmIds: Uint16Array.from(example.masked_lm_ids),
  nextSentenceLabel: example.next_sentence_label,
}));

/** Examples in memory, as shards would give them. */
export function inMemory(
  members: readonly PretrainingExample[],
  fields: Partial<PretrainingExamples> = {},
): PretrainingExamples {
  return {
    size: members.length,
    lengths: Uint16Array.from(members, ({ inputIds }) => inputIds.length),
    maxSeqLength: 7,
    maxPredictionsPerSeq: 3,
    vocabularySha256: '',
    sha256: '',
    read: (index) => members[index]!,
    close: () => undefined,
    ...fields,
  };
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function patterned({ name, shape }: Pick<Parameter, 'name' | 'shape'>): Float32Array {
  const mean = name.endsWith('LayerNorm.weight') ? 1 : 0;
  const scale = shape.length === 2 ? 0.5 : 0.2;
  return Float32Array.from(pattern(name, sizeOf(shape)), (value) => mean + scale * value);
}

/** Along a direction made from a name. */
export function projection(name: string, values: ArrayLike<number>): number {
  const direction = pattern(`direction of ${name}`, values.length);
  return direction.reduce((sum, value, i) => sum + value * values[i]!, 0);
}

/** `keep_mask` of `scripts/golden/pretraining.py`. */
export function keepMask(site: number, shape: readonly number[]): HostTensor<Uint8Array> {
  const data = Uint8Array.from({ length: sizeOf(shape) }, (_, place) => {
    const hashed = (Math.imul(place, 0x9e3779b1) + site * 40503 + 12345) >>> 0;
    return Number((hashed >>> 16) % 10 !== 0);
  });
  return { data, shape };
}
