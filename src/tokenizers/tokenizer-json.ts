/**
 * Reads the `tokenizer.json` of Hugging Face `tokenizers`, if what it describes is BERT's tokenizer: `BertNormalizer`,
 * `BertPreTokenizer` and a `WordPiece` model. Anything else is refused by its name.
 *
 * Its padding, truncation and post-processor are not read: what a model's input looks like is decided where the input
 * is made.
 */
import { z } from 'zod';
import { BertramError, badInput, messageOf, shown } from '../support/errors.ts';
import type { BertTokenizerOptions } from './bert-tokenizer.ts';
import { Vocabulary } from './vocabulary.ts';

const addedTokenSchema = z.object({
  id: z.int().nonnegative(),
  content: z.string().min(1),
  single_word: z.boolean().default(false),
  lstrip: z.boolean().default(false),
  rstrip: z.boolean().default(false),
  normalized: z.boolean().default(true),
  special: z.boolean().default(false),
});

const fileSchema = z.object({
  added_tokens: z.array(addedTokenSchema).default([]),
  normalizer: z.object({
    clean_text: z.boolean().default(true),
    handle_chinese_chars: z.boolean().default(true),
    strip_accents: z.boolean().nullish(),
    lowercase: z.boolean().default(true),
  }),
  model: z.object({
    unk_token: z.string().default('[UNK]'),
    continuing_subword_prefix: z.string().default('##'),
    max_input_chars_per_word: z.int().nonnegative().default(100),
    vocab: z.record(z.string(), z.int().nonnegative()),
  }),
});

/**
 * @param json the file's text, or what `JSON.parse` made of it
 * @param where what to call the file in errors
 * @throws BertramError `unsupported` for another kind of tokenizer, `bad-input` for a malformed file
 */
export function readTokenizerJson(
  json: unknown,
  where = 'tokenizer.json',
): { vocabulary: Vocabulary; options: BertTokenizerOptions } {
  const content = typeof json === 'string' ? parseJson(json, where) : json;
  requireType(content, 'model', 'WordPiece', where);
  requireType(content, 'normalizer', 'BertNormalizer', where);
  requireType(content, 'pre_tokenizer', 'BertPreTokenizer', where);

  const result = fileSchema.safeParse(content);
  if (!result.success) {
    const [issue] = result.error.issues;
    throw new BertramError(
      'bad-input',
      `${where} ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'malformed'}`,
    );
  }
  const { added_tokens, normalizer, model } = result.data;
  const stripAccents = normalizer.strip_accents ?? undefined;
  return {
    vocabulary: new Vocabulary(new Map(Object.entries(model.vocab)), `${where} model.vocab`),
    options: {
      lowercase: normalizer.lowercase,
      cleanText: normalizer.clean_text,
      handleChineseChars: normalizer.handle_chinese_chars,
      ...(stripAccents === undefined ? {} : { stripAccents }),
      unkToken: model.unk_token,
      continuingSubwordPrefix: model.continuing_subword_prefix,
      maxInputCharsPerWord: model.max_input_chars_per_word,
      addedTokens: added_tokens.map(({ single_word, ...token }) => ({ singleWord: single_word, ...token })),
    },
  };
}

function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new BertramError('bad-input', `${where}: expected JSON, got ${messageOf(error)}`, { cause: error });
  }
}

/** Refuses a part of another type by name. Files of before 2021 do not name the type of their model. */
function requireType(content: unknown, part: string, expected: string, where: string): void {
  const value = isRecord(content) ? content[part] : badInput(where, 'a JSON object', shown(content));
  const type = isRecord(value) ? (value['type'] ?? undefinedModelType(part, value)) : value;
  if (type === expected) return;
  throw new BertramError('unsupported', `${where} ${part}: expected ${expected}, got ${shown(type)}`);
}

function undefinedModelType(part: string, value: Record<string, unknown>): string | undefined {
  return part === 'model' && 'continuing_subword_prefix' in value && !('merges' in value)
    ? 'WordPiece'
    : undefined;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
