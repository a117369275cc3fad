/** What a `config.json` says of a classifier's head, and the graph that follows from it. */
import { z } from 'zod';
import {
  bertEncoder,
  bertForSequenceClassification,
  clsState,
  meanState,
  type BertConfig,
  type BertInputs,
} from '../bert/index.ts';
import type { Tensor } from '../graph/index.ts';
import { linearLayer, type Dropout, type Parameters } from '../nn/index.ts';
import { badInput, messageOf, shown } from '../support/errors.ts';

/** The vector of a text that a linear classifier on frozen features looks at. */
export interface PooledFeatures {
  /** As transformers numbers hidden states: 0 the embeddings, -1 the last layer. */
  readonly layer: number;
  readonly pooling: 'cls' | 'mean';
}

export interface ClassifierHead {
  /** The classes' names, by id. */
  readonly labels: readonly string[];
  /** Pieces of a text that training read; unknown for models from elsewhere. */
  readonly maxSeqLength?: number | undefined;
  /** Undefined for `BertForSequenceClassification`, whose pooler and encoder were trained along. */
  readonly features?: PooledFeatures | undefined;
}

/** transformers knows `id2label` and `label2id`; what it does not know it passes over. */
const configFields = z.object({
  architectures: z.array(z.string()).nullish(),
  id2label: z.record(z.string(), z.string()),
  bertram_classifier: z
    .object({
      max_seq_length: z.int().positive(),
      features: z.object({ layer: z.int(), pooling: z.enum(['cls', 'mean']) }).optional(),
    })
    .optional(),
});

/** The fields of `config.json` for a head. */
export function formatClassifierHead({ labels, maxSeqLength, features }: ClassifierHead) {
  return {
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
    problem_type: 'single_label_classification',
    bertram_classifier: { max_seq_length: maxSeqLength, features },
  };
}

/** @throws BertramError `bad-input` when the configuration is none of a classifier */
export function parseClassifierHead(configText: string, where: string): ClassifierHead {
  let json: unknown;
  try {
    json = JSON.parse(configText);
  } catch (error) {
    badInput(where, 'JSON', messageOf(error));
  }
  const parsed = configFields.safeParse(json);
  if (!parsed.success) {
    const field = parsed.error.issues[0]!.path.join('.');
    badInput(where, 'a classifier with id2label', field === '' ? shown(json) : `none that fits at ${field}`);
  }
  const { id2label, architectures, bertram_classifier: own } = parsed.data;
  const labels = Object.keys(id2label).map((_, id) => {
    const label = id2label[String(id)];
    return label ?? badInput(`${where}: id2label`, `a label for ${id}`, 'none');
  });
  const isOurs = own?.features !== undefined;
  if (!isOurs && architectures?.includes('BertForSequenceClassification') !== true) {
    const expected = 'a classifier: BertForSequenceClassification, or one made by bertram classify train';
    badInput(where, expected, shown(architectures ?? 'none'));
  }
  return { labels, maxSeqLength: own?.max_seq_length, features: own?.features };
}

/** Logits of the classes, [B, C]: the fine-tuned head, or a linear one on a pooled hidden state. */
export function classifierLogits(
  { labels, features }: ClassifierHead,
  parameters: Parameters,
  config: BertConfig,
  inputs: BertInputs,
  dropout: Dropout,
): Tensor {
  if (features === undefined) {
    return bertForSequenceClassification(parameters, config, labels.length, inputs, dropout);
  }
  const layers = config.numHiddenLayers;
  const depth = features.layer < 0 ? layers + 1 + features.layer : features.layer;
  if (!(depth >= 0 && depth <= layers)) {
    badInput('classifier: layer', `from -${layers + 1} to ${layers}`, String(features.layer));
  }
  // No more layers than the features need.
  const encoder = { ...config, numHiddenLayers: depth };
  const state = bertEncoder(parameters.in('bert'), encoder, inputs, dropout).at(-1)!; // [B, S, H]
  const vector = features.pooling === 'cls' ? clsState(state) : meanState(state, inputs.attentionMask!); // [B, H]
  const { hiddenSize, initializerRange } = config;
  return linearLayer(parameters.in('classifier'), hiddenSize, labels.length, initializerRange)(vector);
}
