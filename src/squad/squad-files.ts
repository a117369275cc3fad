/**
 * Data sets and predictions from disk, plain or gzipped. The only file of this room that needs Node, and therefore not
 * part of its `index.ts`, which a browser also loads.
 */
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { badInput, BertramError, messageOf } from '../support/errors.ts';
import { parseNullOdds, parsePredictions } from './prediction-files.ts';
import { parseSquad, type SquadDataset, type SquadParseOptions } from './squad-dataset.ts';

const unzip = promisify(gunzip);

/**
 * Reads a data set in any layout that {@link parseSquad} knows.
 *
 * @throws BertramError `not-found` if the file cannot be read, `bad-input` if it is damaged or malformed
 */
export async function readSquadFile(
  path: string,
  options: Omit<SquadParseOptions, 'source'> = {},
): Promise<SquadDataset> {
  return parseSquad(await readUtf8File(path), { ...options, source: path });
}

/** Reads `predictions.json`: question id to answer text. Throws as {@link readSquadFile} does. */
export async function readPredictionsFile(path: string): Promise<Map<string, string>> {
  return parsePredictions(await readUtf8File(path), path);
}

/** Reads `null_odds.json`: question id to the score of no answer. Throws as {@link readSquadFile} does. */
export async function readNullOddsFile(path: string): Promise<Map<string, number>> {
  return parseNullOdds(await readUtf8File(path), path);
}

/** The text of a file; gzip is told by its first two bytes, whatever the file is called. */
async function readUtf8File(path: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new BertramError('not-found', `${path}: expected a readable file, got ${messageOf(error)}`, {
      cause: error,
    });
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) {
    try {
      bytes = await unzip(bytes);
    } catch (error) {
      badInput(path, 'a whole gzip file', messageOf(error));
    }
  } else if (path.endsWith('.gz')) {
    badInput(path, 'a gzip file, as its name says', 'other bytes');
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    return badInput(path, 'text in UTF-8', messageOf(error));
  }
}
