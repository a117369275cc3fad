/**
 * Answering all questions of a data set with the default model, against PyTorch in float32 and under bfloat16 autocast.
 *
 * Ours goes from texts to scored answers; PyTorch's time is that of the model alone, over the same windows in batches of
 * like length, so the comparison favours PyTorch.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bertConfigOf, loadBertParameters, saveBert } from '../src/bert/index.ts';
import { readModelDirectory } from '../src/checkpoint/index.ts';
import { defaultModelDirectory, loadTokenizer, questionAnsweringGraph } from '../src/pipelines/index.ts';
import { squadFeatures } from '../src/squad/index.ts';
import { readSquadFile } from '../src/squad/squad-files.ts';
import { BertramError } from '../src/support/errors.ts';
import { median, peerPython, type BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const DATASET = fileURLToPath(new URL('../../shared/data/qa/new-wiki-valid.json.gz', import.meta.url));
const ROUNDS = 2;
/** Pieces in a batch of PyTorch's, padding included: the size at which it was fastest. */
const PEER_BATCH_PIECES = '2048';

interface Reading {
  readonly seconds: number;
  readonly peak_bytes: number;
}

/** @throws BertramError `not-found` without the data set, or a Python that has PyTorch and transformers */
export async function run(): Promise<BenchResult> {
  if (!existsSync(DATASET)) {
    throw new BertramError('not-found', `bench question-answering: expected ${DATASET}, got no such file`);
  }
  const python = peerPython('torch', 'transformers');
  if (python === undefined) {
    const expected = 'expected torch and transformers in BERTRAM_PEER_PYTHON or python3';
    throw new BertramError('not-found', `bench question-answering: ${expected}`);
  }
  const directory = await mkdtemp(join(tmpdir(), 'bertram-bench-'));
  try {
    const { model, windows, count } = await writePeerInputs(directory);
    const peer = (precision: string): PeerProcess =>
      PeerProcess.python(python, 'peers/question_answering.py', model, windows, precision, PEER_BATCH_PIECES);
    const sides = {
      'bertram int8': PeerProcess.typescript('sides/question-answering.ts', DATASET, 'int8'),
      'bertram float32': PeerProcess.typescript('sides/question-answering.ts', DATASET, 'float32'),
      'pytorch float32': peer('fp32'),
      'pytorch bfloat16': peer('bf16'),
    };
    type Side = keyof typeof sides;
    const names = Object.keys(sides) as Side[];
    for (const name of names) await sides[name].read();
    const readings: (Reading & { readonly side: Side; readonly loadAverage: number })[] = [];
    for (let round = -1; round < ROUNDS; round++) {
      for (const side of names) {
        const reading = await sides[side].ask<Reading>('read');
        // The first round warms up.
        if (round >= 0) readings.push({ side, ...reading, loadAverage: loadavg()[0]! });
      }
    }
    for (const name of names) await sides[name].close();

    const of = (side: Side): typeof readings => readings.filter((reading) => reading.side === side);
    const speed = (side: Side): number => count / median(of(side).map(({ seconds }) => seconds));
    const summary = names.map((side) => ({
      side,
      windowsPerSecond: speed(side),
      peakGigabytes: Math.max(...of(side).map(({ peak_bytes }) => peak_bytes)) / 1e9,
      overPytorchFloat32: speed(side) / speed('pytorch float32'),
      overPytorchBfloat16: speed(side) / speed('pytorch bfloat16'),
    }));
    const [ours, theirs] = [speed('bertram int8'), speed('pytorch float32')];
    return {
      name: 'question-answering',
      ours,
      peer: theirs,
      unit: 'windows/s',
      ratio: ours / theirs,
      runs: [...summary, ...readings],
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** What PyTorch reads: the default model in float32, and the windows of the data set. */
async function writePeerInputs(
  directory: string,
): Promise<{ model: string; windows: string; count: number }> {
  const shipped = await readModelDirectory(defaultModelDirectory);
  const config = bertConfigOf(shipped);
  const { parameters: declared } = questionAnsweringGraph(config);
  const { parameters } = await loadBertParameters(shipped, declared);
  const tensors = declared.map(({ name, shape }) => ({
    name,
    dtype: 'F32' as const,
    shape,
    data: parameters.get(name)!,
  }));
  const model = join(directory, 'model');
  await saveBert(model, 'BertForQuestionAnswering', config, tensors, shipped);

  const { examples } = await readSquadFile(DATASET);
  const { windows } = squadFeatures(examples, loadTokenizer(shipped), { labels: false });
  const lines = windows.map(({ inputIds, tokenTypeIds }) =>
    JSON.stringify({ input_ids: [...inputIds], token_type_ids: [...tokenTypeIds] }),
  );
  const file = join(directory, 'windows.jsonl');
  await writeFile(file, lines.join('\n'));
  return { model, windows: file, count: windows.length };
}
