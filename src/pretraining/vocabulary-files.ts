/** The vocabulary that pretraining examples were made with, as it goes along with a model. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { readTextFileIfPresent, type ModelDirectory } from '../checkpoint/index.ts';
import { Vocabulary } from '../tokenizers/index.ts';
import { readManifest } from './manifest.ts';

export interface VocabularyFiles {
  readonly vocabText: string;
  readonly tokenizerJsonText: string | undefined;
  readonly doLowerCase: boolean;
  /** Entries. */
  readonly size: number;
  /** Of the text with LF ends. */
  readonly sha256: string;
}

/** @param where what errors call the text */
export function vocabularyFiles(vocabText: string, doLowerCase: boolean, where: string): VocabularyFiles {
  const text = vocabText.replaceAll('\r\n', '\n');
  return {
    vocabText: text,
    tokenizerJsonText: undefined,
    doLowerCase,
    size: Vocabulary.parse(text, where).size,
    sha256: createHash('sha256').update(text).digest('hex'),
  };
}

/** The `vocab.txt` that `prepare` left beside its shards, or undefined in a directory that others wrote. */
export async function vocabularyOfShards(directory: string): Promise<VocabularyFiles | undefined> {
  const path = join(directory, 'vocab.txt');
  const text = await readTextFileIfPresent(path);
  if (text === undefined) return undefined;
  const manifest = await readManifest(directory);
  return vocabularyFiles(text, manifest?.recipe.lowercase ?? false, path);
}

/** A model's, from its `vocab.txt`; undefined where it has only a `tokenizer.json`. */
export function vocabularyOfModel({
  path,
  vocabText,
  doLowerCase,
}: ModelDirectory): VocabularyFiles | undefined {
  if (vocabText === undefined) return undefined;
  return vocabularyFiles(vocabText, doLowerCase ?? false, join(path, 'vocab.txt'));
}
