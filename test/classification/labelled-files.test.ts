/** Labelled texts from CSV, TSV and JSON lines, plain and gzipped; and what is wrong with them in one line. */
import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { labelIds, labelsOf, splitTexts } from '../../src/classification/index.ts';
import { readLabelledFile, readTextFile } from '../../src/classification/labelled-files.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'bertram-labelled-'));
});

const columns = { textColumn: 'review', labelColumn: 'stars' };
const read = async (name: string, content: string | Uint8Array, pairColumn?: string) => {
  const path = join(directory, name);
  await writeFile(path, content);
  return readLabelledFile(path, { ...columns, pairColumn });
};
const expected = [
  { text: 'It said "no", then\nbroke.', label: '1' },
  { text: 'Für, élan', label: '5' },
];

describe('reads', () => {
  const csv = '\ufeffid,review,stars\r\n1,"It said ""no"", then\nbroke.",1\r\n2,"Für, élan",5\r\n';
  it('CSV with quotes, line ends in a field, and a byte order mark', async () => {
    expect(await read('a.csv', csv)).toEqual(expected);
  });

  it('gzipped CSV', async () => {
    expect(await read('a.csv.gz', gzipSync(csv))).toEqual(expected);
  });

  it('TSV, where quotes are letters', async () => {
    expect(await read('a.tsv', 'stars\treview\n1\t"unclosed\n')).toEqual([{ text: '"unclosed', label: '1' }]);
  });

  it('JSON lines, with labels that are numbers', async () => {
    const lines = expected.map(({ text, label }) => JSON.stringify({ review: text, stars: Number(label) }));
    expect(await read('a.jsonl', `${lines.join('\n')}\n\n`)).toEqual(expected);
  });

  it('pairs', async () => {
    expect(await read('pairs.csv', 'review,other,stars\na,b,1\n', 'other')).toEqual([
      { text: ['a', 'b'], label: '1' },
    ]);
  });
});

describe('refuses', () => {
  it.each<[string, string | Uint8Array, string]>([
    ['column.csv', 'text,stars\na,1\n', 'row 2: expected a column "review", got text, stars'],
    ['empty.csv', 'review,stars\na,1\n ,2\n', 'row 3: review: expected a text, got " "'],
    ['nothing.csv', 'review,stars\n', ': expected rows, got none'],
    ['ragged.csv', 'review,stars\na,1,2\n', 'expected a table, got Invalid Record Length'],
    ['quote.csv', 'review,stars\n"a,1\n', 'expected a table, got Quote Not Closed'],
    [
      'latin1.csv',
      Buffer.from('review,stars\nFür,1\n', 'latin1'),
      ': expected text in UTF-8, got other bytes',
    ],
    ['latin1.jsonl', Buffer.from('{"review": "ü"}\n', 'latin1'), ': expected text in UTF-8, got other bytes'],
    [
      'half.tsv',
      Buffer.from('review\tstars\na\tü').subarray(0, -1),
      ': expected text in UTF-8, got other bytes',
    ],
    ['bad.jsonl', '{"review": "a", "stars": 1}\nno\n', 'line 2: expected JSON, got "no"'],
    ['list.jsonl', '[1]\n', 'line 1: expected an object, got [1]'],
    ['cut.csv.gz', gzipSync('review,stars\na,1\n').subarray(0, 20), 'expected a whole gzip file'],
    ['plain.csv.gz', 'review,stars\na,1\n', 'expected a whole gzip file'],
    ['table.xls', '', 'expected a name ending in .csv, .tsv or .jsonl, perhaps with .gz, got another'],
  ])('%s', async (name, content, message) => {
    await expect(read(name, content)).rejects.toThrow(message);
    await expect(read(name, content)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('a file of no texts, where texts alone are read', async () => {
    const path = join(directory, 'header.csv');
    await writeFile(path, 'review\n');
    await expect(readTextFile(path, columns).next()).rejects.toThrow('header.csv: expected rows, got none');
  });

  it.each(['none.csv', 'none.jsonl.gz'])('%s that is not there', async (name) => {
    const attempt = readLabelledFile(join(directory, name), columns);
    await expect(attempt).rejects.toMatchObject({ code: 'not-found' });
    await expect(attempt).rejects.toThrow('cannot be read: no such file or directory');
  });
});

describe('labels and parts', () => {
  const examples = Array.from({ length: 41 }, (_, i) => ({ text: `t${i}`, label: 'cab'[i % 3]! }));

  it('are sorted, and numbered by it', () => {
    const labels = labelsOf(examples);
    expect(labels).toEqual(['a', 'b', 'c']);
    expect([...labelIds(examples.slice(0, 4), labels, 'file')]).toEqual([2, 0, 1, 2]);
    expect(() => labelIds([{ text: 'x', label: 'd' }], labels, 'file')).toThrow(
      'file: expected labels that were trained (a, b, c), got "d"',
    );
  });

  it('are split by the seed, nothing lost and nothing twice', () => {
    const { training, validation } = splitTexts(examples, 0.25, 3);
    expect(validation).toHaveLength(10);
    expect([...training, ...validation].map(({ text }) => text).sort()).toEqual(
      examples.map(({ text }) => text).sort(),
    );
    expect(splitTexts(examples, 0.25, 3).validation).toEqual(validation);
    expect(splitTexts(examples, 0.25, 4).validation).not.toEqual(validation);
    expect(validation.map(({ text }) => text)).not.toEqual(examples.slice(0, 10).map(({ text }) => text));
  });
});
