/**
 * Labelled texts from disk: CSV (RFC 4180), TSV (without quoting, as GLUE's files are), or JSON lines, plain or gzipped,
 * told by their names. Read as a stream, so that a file is never in memory besides its texts. Not part of the room's
 * `index.ts`, so that whoever only classifies does not load a CSV reader.
 */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { CsvError, parse } from 'csv-parse';
import { fileError } from '../checkpoint/file-error.ts';
import { badInput, BertramError, messageOf, shown } from '../support/errors.ts';
import type { TextOrPair } from '../tokenizers/index.ts';
import type { LabelledText } from './labelled-texts.ts';

export interface TextColumns {
  readonly textColumn: string;
  /** Where the second text of a pair is. */
  readonly pairColumn?: string | undefined;
}

export interface LabelledColumns extends TextColumns {
  readonly labelColumn: string;
}

/** One row, and how errors call it. */
interface Row {
  readonly where: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** @throws BertramError `bad-input` naming file and row, for a column that is not there or a field that is empty */
export async function readLabelledFile(path: string, columns: LabelledColumns): Promise<LabelledText[]> {
  const examples: LabelledText[] = [];
  for await (const row of rowsOf(path)) {
    examples.push({ text: textOf(row, columns), label: fieldOf(row, columns.labelColumn) });
  }
  if (examples.length === 0) badInput(path, 'rows', 'none');
  return examples;
}

/** The texts alone. Throws as {@link readLabelledFile} does. */
export async function* readTextFile(path: string, columns: TextColumns): AsyncGenerator<TextOrPair> {
  let isEmpty = true;
  for await (const row of rowsOf(path)) {
    isEmpty = false;
    yield textOf(row, columns);
  }
  if (isEmpty) badInput(path, 'rows', 'none');
}

function textOf(row: Row, { textColumn, pairColumn }: TextColumns): TextOrPair {
  const text = fieldOf(row, textColumn);
  return pairColumn === undefined ? text : [text, fieldOf(row, pairColumn)];
}

function fieldOf({ where, fields }: Row, column: string): string {
  if (!Object.hasOwn(fields, column)) {
    badInput(where, `a column ${shown(column)}`, Object.keys(fields).join(', ') || 'none');
  }
  const value = fields[column];
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  if (typeof text !== 'string' || text.trim() === '') badInput(`${where}: ${column}`, 'a text', shown(value));
  return text;
}

async function* rowsOf(path: string): AsyncGenerator<Row, void, undefined> {
  const [, format, gzip] = /\.(csv|tsv|jsonl)(\.gz)?$/.exec(path) ?? [];
  if (format === undefined)
    badInput(path, 'a name ending in .csv, .tsv or .jsonl, perhaps with .gz', 'another');
  const text = strictText(path);
  // Errors of any of them come out of the last one, which is read.
  pipeline([createReadStream(path), ...(gzip === undefined ? [] : [createGunzip()]), text], () => undefined);
  try {
    yield* format === 'jsonl' ? jsonRows(text, path) : tableRows(text, path, format === 'csv' ? ',' : '\t');
  } catch (error) {
    if (error instanceof BertramError) throw error;
    if (error instanceof CsvError) badInput(path, 'a table', messageOf(error));
    if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_'))
      badInput(path, 'a whole gzip file', messageOf(error));
    throw fileError(path, 'cannot be read', error);
  } finally {
    text.destroy();
  }
}

/** Bytes to text. What is not UTF-8 is an error, and does not become other letters in silence. */
function strictText(path: string): Transform {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (done: TransformCallback, ...input: Parameters<typeof decoder.decode>): void => {
    let text: string;
    try {
      text = decoder.decode(...input);
    } catch {
      done(new BertramError('bad-input', `${path}: expected text in UTF-8, got other bytes`));
      return;
    }
    done(null, text);
  };
  return new Transform({
    readableObjectMode: true,
    transform: (chunk: Uint8Array, _encoding, done) => decode(done, chunk, { stream: true }),
    flush: (done) => decode(done),
  });
}

async function* tableRows(text: Readable, path: string, delimiter: string): AsyncGenerator<Row> {
  const parser = parse({ columns: true, bom: true, delimiter, quote: delimiter === ',' ? '"' : false });
  text.on('error', (error) => parser.destroy(error));
  let number = 1;
  for await (const fields of text.pipe(parser) as AsyncIterable<Record<string, string>>) {
    number += 1;
    yield { where: `${path}: row ${number}`, fields };
  }
}

async function* jsonRows(text: Readable, path: string): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of createInterface({ input: text, crlfDelay: Infinity })) {
    number += 1;
    if (line.trim() === '') continue;
    const where = `${path}: line ${number}`;
    let fields: unknown;
    try {
      fields = JSON.parse(line);
    } catch {
      badInput(where, 'JSON', shown(line));
    }
    if (typeof fields !== 'object' || fields === null || Array.isArray(fields))
      badInput(where, 'an object', shown(fields));
    yield { where, fields: fields as Record<string, unknown> };
  }
}
