/** Sharded models: those huggingface_hub wrote are read and written again alike; indices that lie are refused. */
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { TensorToWrite } from '../../src/checkpoint/safetensors-layout.ts';
import { writeSafetensors } from '../../src/checkpoint/safetensors-writer.ts';
import { openModelWeights } from '../../src/checkpoint/model-directory.ts';
import { loadParameters } from '../../src/checkpoint/parameter-loading.ts';
import { openShardedSafetensors } from '../../src/checkpoint/sharded-reader.ts';
import { writeModelWeights } from '../../src/checkpoint/sharded-writer.ts';
import { temporaryDirectory } from './temporary-directory.ts';

const GOLDEN = 'test/golden/checkpoint/sharded';
const INDEX = 'model.safetensors.index.json';

interface Index {
  readonly metadata: { readonly total_size: number };
  readonly weight_map: Readonly<Record<string, string>>;
}

function readIndex(directory: string): Index {
  return JSON.parse(readFileSync(join(directory, INDEX), 'utf8')) as Index;
}

/** The tensors of the golden shards in the order in which the script saved them. */
async function goldenTensors(): Promise<TensorToWrite[]> {
  const source = await openShardedSafetensors(join(GOLDEN, INDEX));
  const order = ['embeddings.b', 'embeddings.a', 'layer.z', 'layer.half', 'head', 'nothing'];
  const tensors = await Promise.all(
    order.map(async (name) => {
      const { dtype, shape } = source.tensors.get(name)!;
      return { name, dtype, shape, data: await source.read(name) };
    }),
  );
  await source.close();
  return tensors;
}

/** A directory with shard files as given and an index that says what it says. */
async function shardedDirectory(
  shards: Readonly<Record<string, readonly string[]>>,
  index: unknown,
): Promise<string> {
  const directory = temporaryDirectory();
  for (const [file, names] of Object.entries(shards)) {
    const tensors = names.map((name, i) => ({
      name,
      dtype: 'F32' as const,
      shape: [1],
      data: Float32Array.of(i),
    }));
    await writeSafetensors(join(directory, file), tensors);
  }
  writeFileSync(join(directory, INDEX), typeof index === 'string' ? index : JSON.stringify(index));
  return directory;
}

describe('shards of huggingface_hub', () => {
  it('are read as one source', async () => {
    const source = await openModelWeights(GOLDEN);
    expect([...source.tensors.keys()].sort()).toEqual(Object.keys(readIndex(GOLDEN).weight_map).sort());
    expect(source.metadata.get('format')).toBe('pt');
    expect(source.unlisted).toEqual([]);
    // wave(6, phase=4) of the script.
    const head = await source.readFloat32('head');
    for (const [i, value] of head.entries())
      expect(value).toBeCloseTo(Math.sin(1.618033988749895 * (i + 1) + 4), 6);
    expect(source.tensors.get('layer.half')).toEqual({
      dtype: 'F16',
      shape: [4, 5],
      byteLength: 40,
      file: join(GOLDEN, 'model-00003-of-00003.safetensors'),
    });
    await expect(source.read('absent')).rejects.toThrow(/no tensor named "absent" among its 6$/);
    await source.close();
  });

  it('are written alike: the same files, the same bytes, the same map', async () => {
    const directory = temporaryDirectory();
    await writeModelWeights(directory, await goldenTensors(), { maxShardBytes: 80 });
    expect(readdirSync(directory).sort()).toEqual(readdirSync(GOLDEN).sort());
    for (const file of readdirSync(GOLDEN).filter((name) => name.endsWith('.safetensors'))) {
      expect(readFileSync(join(directory, file)).equals(readFileSync(join(GOLDEN, file)))).toBe(true);
    }
    expect(readIndex(directory).weight_map).toEqual(readIndex(GOLDEN).weight_map);
    expect(readIndex(directory).metadata.total_size).toBe(readIndex(GOLDEN).metadata.total_size);
    // transformers sorts the keys, huggingface_hub does not.
    expect(readFileSync(join(directory, INDEX), 'utf8')).toMatchInlineSnapshot(`
      "{
        "metadata": {
          "total_size": 328
        },
        "weight_map": {
          "embeddings.a": "model-00001-of-00003.safetensors",
          "embeddings.b": "model-00002-of-00003.safetensors",
          "head": "model-00003-of-00003.safetensors",
          "layer.half": "model-00003-of-00003.safetensors",
          "layer.z": "model-00002-of-00003.safetensors",
          "nothing": "model-00003-of-00003.safetensors"
        }
      }
      "
    `);
  });
});

describe('writing a model', () => {
  it('needs one file when it fits, and no index', async () => {
    const directory = temporaryDirectory();
    const written = await writeModelWeights(directory, await goldenTensors(), { maxShardBytes: 328 });
    expect(written).toEqual([join(directory, 'model.safetensors')]);
    expect(readdirSync(directory)).toEqual(['model.safetensors']);
    const source = await openModelWeights(directory);
    expect(source.tensors.size).toBe(6);
    expect(source.metadata).toEqual(new Map([['format', 'pt']]));
    await source.close();
  });

  it('leaves nothing of an earlier save behind, and everything else alone', async () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, 'config.json'), '{}');
    writeFileSync(join(directory, 'adapter.safetensors'), 'not ours');
    const tensors = await goldenTensors();
    const others = ['adapter.safetensors', 'config.json'];
    await writeModelWeights(directory, tensors, { maxShardBytes: 80 });
    await writeModelWeights(directory, tensors.slice(0, 2), { maxShardBytes: 80 });
    expect(readdirSync(directory).sort()).toEqual([
      ...others,
      'model-00001-of-00002.safetensors',
      'model-00002-of-00002.safetensors',
      INDEX,
    ]);
    await writeModelWeights(directory, tensors);
    expect(readdirSync(directory).sort()).toEqual([...others, 'model.safetensors']);
    await writeModelWeights(directory, tensors, { maxShardBytes: 200 });
    expect(existsSync(join(directory, 'model.safetensors'))).toBe(false);
  });

  it('that fails leaves the earlier save as it was', async () => {
    const directory = temporaryDirectory();
    const tensors = await goldenTensors();
    await writeModelWeights(directory, tensors, { maxShardBytes: 80 });
    const before = readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), 'hex')]);
    const failing = { ...tensors[4]!, data: () => Promise.reject(new Error('device lost')) };
    const writing = writeModelWeights(directory, [...tensors.slice(0, 4), failing], { maxShardBytes: 80 });
    await expect(writing).rejects.toThrow(/cannot be written: device lost$/);
    expect(readdirSync(directory).map((file) => [file, readFileSync(join(directory, file), 'hex')])).toEqual(
      before,
    );
  });

  it('refuses a tensor in two shards', async () => {
    const [first] = await goldenTensors();
    const writing = writeModelWeights(temporaryDirectory(), [first!, first!], { maxShardBytes: 24 });
    await expect(writing).rejects.toThrow('tensor "embeddings.b": expected each name once, got it twice');
  });

  it('of no tensors is a file of no tensors', async () => {
    const directory = temporaryDirectory();
    await writeModelWeights(directory, []);
    const source = await openModelWeights(directory);
    expect(source.tensors.size).toBe(0);
    await source.close();
  });
});

describe('an index', () => {
  it.each([
    ['that reaches above its directory', '../model-1.safetensors'],
    ['with an absolute path', '/etc/passwd'],
    ['with a Windows path', 'C:\\model.safetensors'],
    ['with a drive', 'C:model.safetensors'],
    ['that reaches into another directory', 'sub/model.safetensors'],
    ['with a back slash', '..\\model.safetensors'],
    ['that names its directory', '.'],
    ['that names the one above', '..'],
    ['with no name', ''],
    ['with a zero byte', 'model\0.safetensors'],
  ])('%s is refused', async (_, file) => {
    const directory = await shardedDirectory({}, { weight_map: { a: file } });
    await expect(openModelWeights(directory)).rejects.toThrow(
      `${INDEX}: tensor "a": expected a plain file name within the directory, got ${JSON.stringify(file)}`,
    );
  });

  it.each([
    ['that is no JSON', 'weights', 'expected an object, got weights'],
    ['that is empty', '', 'expected an object, got the end of the text'],
    ['without a map', '{"metadata":{}}', 'expected a weight_map, got none'],
    [
      'with a tensor twice',
      '{"weight_map":{"a":"x","a":"y"}}',
      'in "weight_map": expected each key once, got "a" a second time',
    ],
    [
      'with a number for a file',
      '{"weight_map":{"a":1}}',
      'in "weight_map" / "a": expected the name of a file, got 1',
    ],
    ['with more after it', '{"weight_map":{}}x', 'expected nothing after the JSON value, got x'],
  ])('%s is refused', async (_, text, message) => {
    const directory = await shardedDirectory({}, text);
    await expect(openModelWeights(directory)).rejects.toThrow(message);
  });

  it('whose shard is missing is refused by name', async () => {
    const directory = await shardedDirectory({ one: ['a'] }, { weight_map: { a: 'one', b: 'two' } });
    await expect(openModelWeights(directory)).rejects.toMatchObject({
      code: 'not-found',
      message: `${join(directory, INDEX)}: expected shard "two" beside it, got no such file`,
    });
  });

  it('whose shard lacks a tensor is refused by name', async () => {
    const directory = await shardedDirectory(
      { one: ['a'], two: ['c'] },
      { weight_map: { a: 'one', b: 'two' } },
    );
    await expect(openModelWeights(directory)).rejects.toThrow(
      'expected tensor "b" in shard "two", got a shard without it',
    );
  });

  it('whose shard is damaged is refused with the name of the shard', async () => {
    const directory = await shardedDirectory({}, { weight_map: { a: 'one' } });
    writeFileSync(join(directory, 'one'), 'short');
    await expect(openModelWeights(directory)).rejects.toThrow(
      `${join(directory, 'one')}: expected at least 8 bytes, got a file of 5`,
    );
  });

  it('that passes over tensors of its shards has them reported', async () => {
    const directory = await shardedDirectory(
      { one: ['a', 'x'], two: ['a', 'b'] },
      { weight_map: { a: 'one', b: 'two' } },
    );
    const source = await openModelWeights(directory);
    expect([...source.tensors.keys()]).toEqual(['a', 'b']);
    expect(source.unlisted).toEqual(['x', 'a']);
    expect(source.tensors.get('a')?.file).toBe(join(directory, 'one'));
    const { unexpected } = await loadParameters(source, [{ name: 'a', shape: [1] }]);
    expect(unexpected).toEqual(['b', 'x', 'a']);
    await source.close();
  });

  it('closes what it opened when it is refused', async () => {
    if (!existsSync('/proc/self/fd')) return;
    const directory = await shardedDirectory({ one: ['a'] }, { weight_map: { a: 'one', b: 'two' } });
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 20; i++) await openModelWeights(directory).catch(() => undefined);
    expect(readdirSync('/proc/self/fd').length).toBeLessThan(before + 10);
    rmSync(directory, { recursive: true });
  });
});
