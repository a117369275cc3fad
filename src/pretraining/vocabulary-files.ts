/** The vocabulary that pretraining examples were made with, as it goes along with a model. */
import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readTextFile, type ModelDirectory } from '../checkpoint/index.ts';
import { Vocabulary } from '../tokenizers/index.ts';
import { textSha256 } from '../checkpoint/file-checksum.ts';
import { readManifest } from './manifest.ts';

export interface VocabularyFiles {
  readonly vocabText: string;
  readonly tokenizerJsonText: undefined;
  readonly doLowerCase: boolean;
  /** Entries. */
  readonly size: number;
  readonly sha256: string;
}

/**
 * The `vocab.txt` beside shards or records.
 *
 * @param uncased whether it is of text in lower case, where nothing beside it says so
 */
export async function vocabularyOfExamples(path: string, uncased: boolean): Promise<VocabularyFiles> {
  const directory = (await stat(path)).isDirectory() ? path : dirname(path);
  const file = join(directory, 'vocab.txt');
  const manifest = await readManifest(directory);
  return vocabularyFiles(await readTextFile(file), manifest?.recipe.lowercase ?? uncased, file);
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

function vocabularyFiles(vocabText: string, doLowerCase: boolean, where: string): VocabularyFiles {
  return {
    vocabText,
    tokenizerJsonText: undefined,
    doLowerCase,
    size: Vocabulary.parse(vocabText, where).size,
    sha256: textSha256(vocabText),
  };
}
