/**
 * The names of BERT's parameters in checkpoints of all ages, brought to today's Hugging Face names
 * (`bert.encoder.layer.0.attention.output.LayerNorm.weight`). Every spelling known is a row in a table here.
 *
 * Reference: `modeling_bert.py` and the renaming in `modeling_utils.py` of transformers; the history of
 * google-bert/bert-base-uncased, whose file still says `gamma` and `beta`.
 */

/** Prefixes that wrappers put before everything, in any order: DataParallel, torch.compile. */
const WRAPPERS: readonly string[] = ['module.', '_orig_mod.'];

/** The encoder. */
const ENCODER = 'bert.';

/** The parts of the encoder: a checkpoint of a bare `BertModel` names them without the prefix. */
const ENCODER_PARTS: readonly string[] = ['embeddings.', 'encoder.', 'pooler.'];

/** Endings that were renamed, matched at a whole component: TensorFlow's names of the parameters of LayerNorm. */
const ENDINGS: ReadonlyMap<string, string> = new Map([
  ['LayerNorm.gamma', 'LayerNorm.weight'],
  ['LayerNorm.beta', 'LayerNorm.bias'],
]);

/** Constants that old versions saved beside the parameters. */
const BUFFERS: ReadonlySet<string> = new Set([
  'bert.embeddings.position_ids',
  'bert.embeddings.token_type_ids',
]);

/** Pairs of names for one parameter: the decoder of the masked-token head shares its weight with the embeddings. */
const TIED: readonly (readonly [string, string])[] = [
  ['bert.embeddings.word_embeddings.weight', 'cls.predictions.decoder.weight'],
  ['cls.predictions.bias', 'cls.predictions.decoder.bias'],
];

const TIED_PARTNERS: ReadonlyMap<string, string> = new Map(
  TIED.flatMap(
    ([a, b]) =>
      [
        [a, b],
        [b, a],
      ] as const,
  ),
);

/**
 * Today's name of a checkpoint's tensor, or undefined for a buffer that is no parameter. Unknown names stay as they are.
 *
 *     canonicalName('embeddings.LayerNorm.gamma') === 'bert.embeddings.LayerNorm.weight'
 */
export function canonicalName(stored: string): string | undefined {
  let name = stored;
  let wrapper: string | undefined;
  while ((wrapper = WRAPPERS.find((prefix) => name.startsWith(prefix))) !== undefined)
    name = name.slice(wrapper.length);
  if (ENCODER_PARTS.some((part) => name.startsWith(part))) name = ENCODER + name;
  const ending = name.split('.').slice(-2).join('.');
  const renamed = ENDINGS.get(ending);
  if (renamed !== undefined) name = name.slice(0, -ending.length) + renamed;
  return BUFFERS.has(name) ? undefined : name;
}

/** The other name under which a checkpoint may hold the same parameter, if it has one. */
export function tiedName(canonical: string): string | undefined {
  return TIED_PARTNERS.get(canonical);
}
