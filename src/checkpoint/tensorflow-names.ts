/**
 * TensorFlow's names of BERT's variables, as google-research/bert writes them, to Hugging Face's of its parameters.
 *
 *     bert/encoder/layer_0/attention/self/query/kernel   bert.encoder.layer.0.attention.self.query.weight, transposed
 *
 * Reference: `modeling.py`, `run_pretraining.py`, `run_squad.py`, `run_classifier.py` and `optimization.py` of
 * google-research/bert; `load_tf_weights_in_bert` of transformers.
 */

/** What becomes of a variable. */
export type VariableFate =
  | {
      readonly kind: 'parameter';
      readonly name: string;
      /** TensorFlow multiplies x·W with W as [inputs, outputs]; Hugging Face stores Wᵀ. */
      readonly transposed: boolean;
    }
  | { readonly kind: 'left out'; readonly reason: string };

/** Variables whose names follow no rule. The matrices of the heads are [outputs, inputs] in both worlds. */
const NAMES: ReadonlyMap<string, string> = new Map([
  ['bert/embeddings/word_embeddings', 'bert.embeddings.word_embeddings.weight'],
  ['bert/embeddings/position_embeddings', 'bert.embeddings.position_embeddings.weight'],
  ['bert/embeddings/token_type_embeddings', 'bert.embeddings.token_type_embeddings.weight'],
  ['cls/predictions/output_bias', 'cls.predictions.bias'],
  ['cls/seq_relationship/output_weights', 'cls.seq_relationship.weight'],
  ['cls/seq_relationship/output_bias', 'cls.seq_relationship.bias'],
  ['cls/squad/output_weights', 'qa_outputs.weight'],
  ['cls/squad/output_bias', 'qa_outputs.bias'],
  ['output_weights', 'classifier.weight'],
  ['output_bias', 'classifier.bias'],
]);

const LAYER = String.raw`bert/encoder/layer_\d+`;

/** Dense layers and layer normalisations, whose variables follow one. */
const DENSE = new RegExp(
  `^(${LAYER}/(?:attention/self/(?:query|key|value)|(?:attention/output|intermediate|output)/dense)` +
    '|bert/pooler/dense|cls/predictions/transform/dense)/(kernel|bias)$',
);
const LAYER_NORM = new RegExp(
  `^((?:bert/embeddings|${LAYER}/attention/output|${LAYER}/output|cls/predictions/transform)/LayerNorm)/(gamma|beta)$`,
);
const ENDINGS: Readonly<Record<string, string>> = {
  kernel: 'weight',
  bias: 'bias',
  gamma: 'weight',
  beta: 'bias',
};

/** What optimizers keep for each variable, named after it; and what training counts. */
const SLOTS: ReadonlySet<string> = new Set(['adam_m', 'adam_v', 'Adam', 'Adam_1', 'lamb_m', 'lamb_v']);
const COUNTERS: ReadonlySet<string> = new Set([
  'global_step',
  'beta1_power',
  'beta2_power',
  'loss_scale',
  'good_steps',
]);

export function variableFate(variable: string): VariableFate {
  const known = NAMES.get(variable);
  if (known !== undefined) return { kind: 'parameter', name: known, transposed: false };
  const [, module, ending] = DENSE.exec(variable) ?? LAYER_NORM.exec(variable) ?? [];
  if (module !== undefined && ending !== undefined) {
    const path = module.replace('/layer_', '/layer/').replaceAll('/', '.');
    return { kind: 'parameter', name: `${path}.${ENDINGS[ending]!}`, transposed: ending === 'kernel' };
  }
  if (SLOTS.has(variable.slice(variable.lastIndexOf('/') + 1)))
    return { kind: 'left out', reason: 'an optimizer slot' };
  if (COUNTERS.has(variable)) return { kind: 'left out', reason: 'a counter of training' };
  return { kind: 'left out', reason: 'not a variable of BERT' };
}
