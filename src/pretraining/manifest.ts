/**
 * `manifest.json`, which makes a directory of shards one data set: the recipe that they were made by, and each shard's
 * checksum. The file has its fields in snake_case; this is the one place where they are mapped.
 */
import { join } from 'node:path';
import { z } from 'zod';
import { readTextFileIfPresent } from '../checkpoint/index.ts';
import { badInput, messageOf, shown } from '../support/errors.ts';
import { formatJson } from '../support/json-text.ts';

export const MANIFEST_FILE = 'manifest.json';
/** Where the examples that are not for training lie, below the others. */
export const HELD_OUT_DIRECTORY = 'held-out';

const count = z.int().nonnegative();
const probability = z.number().min(0).max(1);
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const recipe = z.strictObject({
  inputs: z.array(z.strictObject({ name: z.string(), bytes: count, sha256 })),
  vocabularySha256: sha256,
  vocabularySize: z.int().positive(),
  lowercase: z.boolean(),
  sentencePerLine: z.boolean(),
  wholeWordMask: z.boolean(),
  maxSeqLength: z.int().min(5).max(65535),
  maxPredictionsPerSeq: z.int().min(1).max(65535),
  maskedLmProb: probability,
  shortSeqProb: probability,
  dupeFactor: z.int().min(1),
  heldOut: probability,
  shardPieces: z.int().min(1),
  seed: z.int(),
});

const counts = z.strictObject({
  examples: count,
  pieces: count,
  predictions: count,
  randomNext: count,
  truncated: count,
});

const shard = z.strictObject({ file: z.string().regex(/^[\w.-]+$/), sha256, ...counts.shape });

const manifest = z.strictObject({
  format: z.literal('bertram-pretraining-shards'),
  version: z.literal(1),
  part: z.enum(['training', 'held-out']),
  documents: count,
  recipe,
  counts,
  shards: z.array(shard),
});

/** All that decides what is in the shards, to the last byte. */
export type Recipe = Readonly<z.infer<typeof recipe>>;
export type ShardRecord = Readonly<z.infer<typeof shard>>;
export type Manifest = Readonly<z.infer<typeof manifest>>;
export type Part = Manifest['part'];

export const schemas = { manifest, recipe, shard };

/** The JSON text of a record, with its fields in snake_case. */
export function formatRecord(record: object): string {
  return formatJson(withKeys(record, snakeCase));
}

/**
 * @param where the file, to open error lines
 * @throws BertramError `bad-input` naming the first field that does not fit
 */
export function parseRecord<T>(schema: z.ZodType<T>, text: string, where: string): T {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    badInput(where, 'JSON', messageOf(error));
  }
  const parsed = schema.safeParse(withKeys(json, camelCase));
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  const field = path.map((key) => (typeof key === 'number' ? key : snakeCase(String(key)))).join('.');
  const value = path.reduce<unknown>(
    (node, key) => (node as Record<PropertyKey, unknown> | undefined)?.[key],
    withKeys(json, camelCase),
  );
  return badInput(
    field === '' ? where : `${where}: ${field}`,
    message.replace(/^Invalid input: expected /, ''),
    shown(value),
  );
}

/** The manifest of a directory, or undefined if it has none. */
export async function readManifest(directory: string): Promise<Manifest | undefined> {
  const path = join(directory, MANIFEST_FILE);
  const text = await readTextFileIfPresent(path);
  return text === undefined ? undefined : parseRecord(manifest, text, path);
}

/** The first field in which two recipes differ, in the spelling of the file. */
export function differenceOf(a: Recipe, b: Recipe): string | undefined {
  const keys = Object.keys(recipe.shape) as (keyof Recipe)[];
  const key = keys.find((name) => JSON.stringify(a[name]) !== JSON.stringify(b[name]));
  return key === undefined ? undefined : snakeCase(key);
}

/** Sums of the counts of shards. */
export function totalCounts(shards: readonly ShardRecord[]): Manifest['counts'] {
  const sum = (key: keyof Manifest['counts']) => shards.reduce((total, record) => total + record[key], 0);
  return {
    examples: sum('examples'),
    pieces: sum('pieces'),
    predictions: sum('predictions'),
    randomNext: sum('randomNext'),
    truncated: sum('truncated'),
  };
}

function withKeys(value: unknown, rename: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((element) => withKeys(element, rename));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, field]) => [rename(key), withKeys(field, rename)]),
  );
}

const snakeCase = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const camelCase = (key: string): string =>
  key.replace(/_([a-z])/g, (_match, letter: string) => letter.toUpperCase());
