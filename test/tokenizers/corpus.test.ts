import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BertTokenizer } from '../../src/tokenizers/index.ts';
import { digestOf, modes, readGolden } from './golden.ts';

type Digests = Readonly<Record<'cased' | 'uncased', string[]>>;

interface CorpusGolden {
  /** Every so manieth line of the prose is in the sample, counting from 1. */
  readonly every: number;
  readonly linesPerBlock: number;
  readonly text: Readonly<Record<string, Digests & { bytes: number }>>;
  readonly qa: Readonly<Record<string, Digests & { texts: number }>>;
}

interface QuestionAnsweringFile {
  readonly data: { paragraphs: { context: string; qas: { question: string }[] }[] }[];
}

/** Seconds on a machine at rest, but machines are not always. */
const MINUTES = 300_000;

const shared = new URL('../../../shared/data/', import.meta.url);
const golden = readGolden('corpus') as CorpusGolden;

function read(path: string): Buffer {
  return gunzipSync(readFileSync(new URL(path, shared)));
}

/** Every `every`-th line, decoded one by one: the whole text would not fit a string comfortably. */
function sample(text: Buffer, every: number): string[] {
  const lines: string[] = [];
  for (let start = 0, number = 1; start < text.length; number++) {
    const found = text.indexOf(0x0a, start);
    const end = found < 0 ? text.length : found;
    if (number % every === 0) lines.push(text.toString('utf8', start, end));
    start = end + 1;
  }
  return lines;
}

function blockDigests(tokenizer: BertTokenizer, texts: readonly string[]): string[] {
  const count = Math.ceil(texts.length / golden.linesPerBlock);
  return Array.from({ length: count }, (_, i) =>
    digestOf(tokenizer, texts.slice(i * golden.linesPerBlock, (i + 1) * golden.linesPerBlock)),
  );
}

describe.skipIf(!existsSync(shared))(
  'ids and offsets equal those of tokenizers (needs ../shared/data)',
  () => {
    const tokenizers = (['cased', 'uncased'] as const).map((mode) => {
      const vocabulary = () => readFileSync(new URL(`vocab/bert-${mode}/vocab.txt`, shared), 'utf8');
      let tokenizer: BertTokenizer | undefined;
      return { mode, get: () => (tokenizer ??= BertTokenizer.fromVocab(vocabulary(), modes[mode])) };
    });

    test.each(Object.entries(golden.text))(
      'on megabytes of prose: %s',
      { timeout: MINUTES },
      (name, expected) => {
        const lines = sample(read(`text/${name}.txt.gz`), golden.every);
        expect(lines.reduce((sum, line) => sum + Buffer.byteLength(line), 0)).toBe(expected.bytes);
        for (const { mode, get } of tokenizers) expect(blockDigests(get(), lines)).toEqual(expected[mode]);
      },
    );

    test.each(Object.entries(golden.qa))(
      'on contexts and questions: %s',
      { timeout: MINUTES },
      (name, expected) => {
        const { data } = JSON.parse(read(`qa/${name}`).toString('utf8')) as QuestionAnsweringFile;
        const texts = data.flatMap(({ paragraphs }) =>
          paragraphs.flatMap(({ context, qas }) => [context, ...qas.map(({ question }) => question)]),
        );
        expect(texts.length).toBe(expected.texts);
        for (const { mode, get } of tokenizers) expect(blockDigests(get(), texts)).toEqual(expected[mode]);
      },
    );
  },
);
