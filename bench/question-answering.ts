/**
 * Answering all questions of a data set with the default model, against PyTorch in float32 and under bfloat16 autocast.
 *
 * Both sides go from texts to answers: tokenizer, windows, model and the search for spans, as run_qa.py has them around
 * PyTorch. The time of PyTorch's model alone is given as well. F1 shows that both did the work.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bertConfigOf, loadBertParameters, saveBert } from '../src/bert/index.ts';
import { readModelDirectory } from '../src/checkpoint/index.ts';
import { defaultModelDirectory, loadTokenizer, questionAnsweringGraph } from '../src/pipelines/index.ts';
import { scoreSquadV1, squadFeatures, squadV1Report, type SquadExample } from '../src/squad/index.ts';
import { readSquadFile } from '../src/squad/squad-files.ts';
import { BertramError } from '../src/support/errors.ts';
import { median, requirePeer, type BenchResult } from './bench-result.ts';
import { PeerProcess } from './peer-process.ts';

const DATASET = fileURLToPath(new URL('../../shared/data/qa/new-wiki-valid.json.gz', import.meta.url));
const ROUNDS = 2;
/** Pieces in a batch of PyTorch's, padding included: the size at which it was fastest. */
const PEER_BATCH_PIECES = '2048';

/** What the peer's script calls the precisions of its sides. */
const PRECISIONS: Readonly<Record<string, string>> = {
  'pytorch float32': 'fp32',
  'pytorch bfloat16': 'bf16',
};

interface Reading {
  readonly seconds: number;
  /** Of which the peer's model took so many. */
  readonly model_seconds?: number;
  readonly f1?: number;
  readonly peak_bytes: number;
}

/** @throws BertramError `not-found` without the data set, or a Python that has PyTorch and transformers */
export async function run(): Promise<BenchResult> {
  if (!existsSync(DATASET)) {
    throw new BertramError('not-found', `bench question-answering: expected ${DATASET}, got no such file`);
  }
  const python = requirePeer('question-answering', 'torch', 'transformers');
  const directory = await mkdtemp(join(tmpdir(), 'bertram-bench-'));
  try {
    const { examples } = await readSquadFile(DATASET);
    const { model, windows: count } = await writePeerModel(directory, examples);
    const answersOf = (precision: string): string => join(directory, `${precision}.json`);
    const peer = (precision: string): PeerProcess =>
      PeerProcess.python(
        python,
        'peers/question_answering.py',
        ...[model, DATASET, answersOf(precision), precision, PEER_BATCH_PIECES],
      );
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
        if (round < 0) continue;
        const loadAverage = loadavg()[0]!;
        const path = PRECISIONS[side];
        const f1 = path === undefined ? reading.f1! : await f1Of(answersOf(path), examples);
        readings.push({ side, ...reading, f1, loadAverage });
      }
    }
    for (const name of names) await sides[name].close();

    const of = (side: Side): typeof readings => readings.filter((reading) => reading.side === side);
    const speed = (side: Side): number => count / median(of(side).map(({ seconds }) => seconds));
    const modelSpeed = (side: Side): number =>
      count / median(of(side).map(({ seconds, model_seconds = seconds }) => model_seconds));
    const summary = names.map((side) => ({
      side,
      windowsPerSecond: speed(side),
      f1: of(side)[0]!.f1!,
      /** Ours from texts to scores, as ever, over PyTorch's model without all that is around it. */
      overPytorchModelAlone: speed(side) / modelSpeed('pytorch float32'),
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

async function f1Of(answersPath: string, examples: readonly SquadExample[]): Promise<number> {
  const answers = JSON.parse(await readFile(answersPath, 'utf8')) as Record<string, string>;
  return squadV1Report(scoreSquadV1(examples, new Map(Object.entries(answers)))).f1!;
}

/** The default model in float32, for PyTorch, and the number of windows that it will read. */
async function writePeerModel(
  directory: string,
  examples: readonly SquadExample[],
): Promise<{ model: string; windows: number }> {
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
  await saveBert(model, { architecture: 'BertForQuestionAnswering', config, vocabulary: shipped }, tensors);
  const { windows } = squadFeatures(examples, loadTokenizer(shipped), { labels: false });
  return { model, windows: windows.length };
}
