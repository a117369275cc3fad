/**
 * Conversions of what TensorFlow and torch wrote, against the files and the logits of transformers
 * (scripts/golden/{tensorflow,pytorch}_checkpoints.py).
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  bertConfigOf,
  bertForPreTraining,
  bertForQuestionAnswering,
  bertInputs,
  convertBert,
  loadBertParameters,
  maskedLmPositions,
} from '../../src/bert/index.ts';
import {
  openModelWeights,
  openWeights,
  readModelDirectory,
  writeModelWeights,
  type TensorToWrite,
} from '../../src/checkpoint/index.ts';
import type { Tensor } from '../../src/graph/index.ts';
import { Dropout, Parameters } from '../../src/nn/index.ts';
import { compile, type HostTensor } from '../../src/runtime/index.ts';

const GOLDEN = 'test/golden/checkpoint';
interface Golden {
  readonly input_ids: number[][];
  readonly token_type_ids: number[][];
  readonly attention_mask: number[][];
  readonly prediction_logits: number[][][];
  readonly seq_relationship_logits: number[][];
  readonly start_logits: number[][];
  readonly end_logits: number[][];
}
const golden = JSON.parse(readFileSync(`${GOLDEN}/pytorch/logits.json`, 'utf8')) as Golden;

function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'bertram-conversion-'));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function convert(from: string, to: string) {
  const source = await openWeights(from);
  try {
    return await convertBert(await readModelDirectory(from), source, to, true);
  } finally {
    await source.close();
  }
}

const BATCH = 2;
const SEQUENCE = 5;

function int32(rows: readonly (readonly number[])[]): HostTensor {
  return { data: Int32Array.from(rows.flat()), shape: [BATCH, SEQUENCE] };
}

/** Runs a graph on the inputs of the golden file with the weights of a directory. */
async function logitsOf(
  path: string,
  graph: (parameters: Parameters, config: ReturnType<typeof bertConfigOf>) => Record<string, Tensor>,
  feeds: Record<string, HostTensor> = {},
) {
  const model = await readModelDirectory(path);
  const parameters = new Parameters();
  const logits = graph(parameters, bertConfigOf(model));
  const { parameters: values } = await loadBertParameters(model, parameters.all);
  const weights = parameters.all.map(
    ({ name, shape }) => [name, { data: values.get(name)!, shape }] as const,
  );
  const program = await compile(logits);
  const inputs = {
    input_ids: int32(golden.input_ids),
    token_type_ids: int32(golden.token_type_ids),
    attention_mask: int32(golden.attention_mask),
  };
  return program.run({ ...Object.fromEntries(weights), ...inputs, ...feeds });
}

function expectClose(got: HostTensor | undefined, expected: readonly number[]): void {
  const values = got?.data as Float32Array;
  expect(values.length).toBe(expected.length);
  expected.forEach((value, i) => expect(Math.abs(values[i]! - value)).toBeLessThan(1e-5));
}

const dropout = new Dropout({ training: false });

describe('convertBert', () => {
  it.each(['tensorflow', 'pytorch/new', 'pytorch/old', 'pytorch/sharded'])(
    'makes of %s the file of transformers',
    async (from) => {
      const to = temporaryDirectory();
      expect(await convert(`${GOLDEN}/${from}`, to)).toMatchObject({
        architecture: 'BertForPreTraining',
        tensors: 46,
        parameters: 833,
      });
      const written = readFileSync(join(to, 'model.safetensors'));
      expect(written.equals(readFileSync(`${GOLDEN}/bert/model.safetensors`))).toBe(true);
      expect(readFileSync(join(to, 'vocab.txt'), 'utf8')).toBe(
        readFileSync(`${GOLDEN}/tensorflow/vocab.txt`, 'utf8'),
      );
      const config = JSON.parse(readFileSync(join(to, 'config.json'), 'utf8')) as Record<string, unknown>;
      expect(config).toMatchObject({
        model_type: 'bert',
        architectures: ['BertForPreTraining'],
        hidden_size: 6,
      });
      expect(JSON.parse(readFileSync(join(to, 'tokenizer_config.json'), 'utf8'))).toEqual({
        tokenizer_class: 'BertTokenizer',
        do_lower_case: true,
        model_max_length: 5,
      });
    },
  );

  it('gives the logits of transformers, for pretraining', async () => {
    const to = temporaryDirectory();
    await convert(`${GOLDEN}/tensorflow`, to);
    const positions = Int32Array.from({ length: BATCH * SEQUENCE }, (_, i) => i);
    const { predictionLogits, seqRelationshipLogits } = await logitsOf(
      to,
      (parameters, config) => ({
        ...bertForPreTraining(parameters, config, bertInputs(), maskedLmPositions(), dropout),
      }),
      { masked_lm_positions: { data: positions, shape: [BATCH * SEQUENCE] } },
    );
    expectClose(predictionLogits, golden.prediction_logits.flat(2));
    expectClose(seqRelationshipLogits, golden.seq_relationship_logits.flat());
  });

  it('gives the logits of transformers, for answers, from a run that is opened as it is too', async () => {
    const to = temporaryDirectory();
    const { architecture } = await convert(`${GOLDEN}/tensorflow-squad`, to);
    expect(architecture).toBe('BertForQuestionAnswering');
    for (const path of [to, `${GOLDEN}/tensorflow-squad`]) {
      const { startLogits, endLogits } = await logitsOf(path, (parameters, config) => ({
        ...bertForQuestionAnswering(parameters, config, bertInputs(), dropout),
      }));
      expectClose(startLogits, golden.start_logits.flat());
      expectClose(endLogits, golden.end_logits.flat());
    }
  });

  /** A model directory with the tensors of the golden BERT, changed. */
  async function changedModel(change: (tensors: Map<string, TensorToWrite>) => void): Promise<string> {
    const path = temporaryDirectory();
    cpSync(`${GOLDEN}/pytorch/new/config.json`, join(path, 'config.json'));
    cpSync(`${GOLDEN}/pytorch/new/vocab.txt`, join(path, 'vocab.txt'));
    const source = await openModelWeights(`${GOLDEN}/bert`);
    const tensors = new Map<string, TensorToWrite>();
    for (const [name, { dtype, shape }] of source.tensors) {
      tensors.set(name, { name, dtype, shape, data: await source.read(name) });
    }
    await source.close();
    change(tensors);
    await writeModelWeights(path, tensors.values());
    return path;
  }

  const put = (tensors: Map<string, TensorToWrite>, name: string, shape: number[], value = 0.5): void => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(value);
    tensors.set(name, { name, dtype: 'F32', shape, data });
  };

  it('keeps what the model says of itself, and says what it leaves out', async () => {
    const from = await changedModel((tensors) => {
      for (const name of [...tensors.keys()]) if (name.startsWith('cls.')) tensors.delete(name);
      put(tensors, 'classifier.weight', [3, 6]);
      put(tensors, 'classifier.bias', [3]);
      put(tensors, 'crf.transitions', [3, 3]);
    });
    const config = JSON.parse(readFileSync(join(from, 'config.json'), 'utf8')) as Record<string, unknown>;
    delete config['architectures'];
    writeFileSync(join(from, 'config.json'), JSON.stringify({ ...config, finetuning_task: 'mnli' }));
    writeFileSync(join(from, 'tokenizer_config.json'), '{"do_lower_case":true,"strip_accents":false}');
    const to = temporaryDirectory();
    const { architecture, leftOut } = await convert(from, to);
    expect(architecture).toBe('BertForSequenceClassification');
    expect([...leftOut]).toEqual([['crf.transitions', 'not a parameter of this BERT']]);
    expect(JSON.parse(readFileSync(join(to, 'config.json'), 'utf8'))).toMatchObject({
      finetuning_task: 'mnli',
      id2label: { 0: 'LABEL_0', 1: 'LABEL_1', 2: 'LABEL_2' },
      label2id: { LABEL_0: 0, LABEL_1: 1, LABEL_2: 2 },
    });
    expect(readFileSync(join(to, 'tokenizer_config.json'), 'utf8')).toBe(
      '{"do_lower_case":true,"strip_accents":false}',
    );
  });

  it.each<[string, (tensors: Map<string, TensorToWrite>) => void, string]>([
    [
      'a parameter that is not there',
      (tensors) => tensors.delete('bert.encoder.layer.1.output.dense.bias'),
      'FILE: expected parameter bert.encoder.layer.1.output.dense.bias, as the configuration says, got none',
    ],
    [
      'another shape',
      (tensors) => put(tensors, 'bert.encoder.layer.0.output.dense.weight', [7, 6]),
      'FILE: tensor "bert.encoder.layer.0.output.dense.weight": expected shape [6,7], as the configuration says, got [7,6]',
    ],
    [
      'int8',
      (tensors) =>
        tensors.set('bert.pooler.dense.bias', {
          name: 'bert.pooler.dense.bias',
          dtype: 'I8',
          shape: [6],
          data: new Int8Array(6),
        }),
      'FILE: tensor "bert.pooler.dense.bias": expected F32, F16, BF16, F64, got I8',
    ],
    [
      'a decoder that is not tied',
      (tensors) => put(tensors, 'cls.predictions.decoder.weight', [13, 6]),
      'FILE: expected "cls.predictions.decoder.weight" to repeat "bert.embeddings.word_embeddings.weight", to which BERT ties it, got other values',
    ],
  ])('refuses %s before it writes anything', async (_, change, message) => {
    const from = await changedModel(change);
    const to = join(temporaryDirectory(), 'out');
    const error: unknown = await convert(from, to).catch((reason: unknown) => reason);
    expect((error as Error).message.replace(join(from, 'model.safetensors'), 'FILE')).toBe(message);
    expect(existsSync(to)).toBe(false);
  });
});

const python = process.env['BERTRAM_PEER_PYTHON'];

describe.skipIf(python === undefined)('transformers (skipped without BERTRAM_PEER_PYTHON)', () => {
  it.each(['tensorflow', 'pytorch/old'])(
    'loads what is made of %s, and computes what it did',
    async (from) => {
      const to = temporaryDirectory();
      await convert(`${GOLDEN}/${from}`, to);
      const program = `
import json, sys, torch
from transformers import AutoTokenizer, BertForPreTraining
model, info = BertForPreTraining.from_pretrained(sys.argv[1], output_loading_info=True)
golden = json.load(open(sys.argv[2]))
names = ["input_ids", "token_type_ids", "attention_mask"]
with torch.no_grad():
    outputs = model.eval()(**{name: torch.tensor(golden[name]) for name in names})
print(json.dumps({
    "missing": sorted(info["missing_keys"]),
    "unexpected": sorted(info["unexpected_keys"]),
    "logits": outputs.prediction_logits.flatten().tolist(),
    "ids": AutoTokenizer.from_pretrained(sys.argv[1])("a B [MASK]")["input_ids"],
}))`;
      const output = execFileSync(python!, ['-c', program, to, `${GOLDEN}/pytorch/logits.json`], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const got = JSON.parse(output.trim().split('\n').at(-1)!) as Record<string, number[]>;
      expect(got).toMatchObject({ missing: [], unexpected: [], ids: [2, 5, 6, 4, 3] });
      golden.prediction_logits.flat(2).forEach((value, i) => {
        expect(Math.abs(got['logits']![i]! - value)).toBeLessThan(1e-5);
      });
    },
  );
});
