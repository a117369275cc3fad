/** Failures of the engine, told in the words of the graph. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { gradient } from '../../src/autodiff/index.ts';
import { add, gather, input, scoped, slice, sum, type Shape, type Tensor } from '../../src/graph/index.ts';
import { compile, type Feeds } from '../../src/runtime/index.ts';
import { floats, refusal } from './host-arrays.ts';

const x = (shape: Shape = ['B', 7]): Tensor => input('x', 'float32', shape);

describe.each(['native', 'binding'] as const)('failures of the engine (%s)', (engine) => {
  it('name the operation, its scope and the line of the model', async () => {
    const ids = input('ids', 'int32', ['B']);
    const y = scoped('bert.embeddings', () => gather(input('table', 'float32', [5, 2]), ids));
    const program = await compile({ y }, { threads: 1, engine });
    const feeds = (id: number): Feeds => ({
      table: floats(5, 2),
      ids: { data: Int32Array.of(0, id), shape: [2] },
    });
    expect(await refusal(() => program.run(feeds(7)), 'failed')).toMatchInlineSnapshot(
      `"run: the engine failed at gather_N in bert.embeddings (test/runtime/engine-failures.test.ts): Non-zero status code returned while running Gather node. Name:'gather_N/0' Status Message: indices element out of data bounds, idx=7 must be within the inclusive range [-5,4]"`,
    );
    // The program is none the worse for it. Ids from -5 to -1 count from the end, as in numpy.
    expect([...(await program.run(feeds(4))).y.data]).toEqual([1, 2, 9, 10]);
    expect([...(await program.run(feeds(-5))).y.data]).toEqual([1, 2, 1, 2]);
    await program.release();
    expect(await refusal(() => program.run(feeds(4)), 'failed')).toMatchInlineSnapshot(
      `"run: the engine failed: Session already disposed."`,
    );
  });

  it('do so of sizes that only a run knows', async () => {
    const table = input('table', 'float32', [5, 8]);
    const y = scoped('positions', () => add(slice(table, 0, 0, 'S'), x(['S', 8])));
    const program = await compile({ y }, { threads: 1, engine });
    expect((await program.run({ table: floats(5, 8), x: floats(4, 8) })).y.shape).toEqual([4, 8]);
    const message = await refusal(() => program.run({ table: floats(5, 8), x: floats(6, 8) }), 'failed');
    expect(message).toMatch(
      /^run: the engine failed at add_N in positions \(test\/runtime\/engine-failures\.test\.ts\): /,
    );
  });

  it('name the part of the model whose gradient failed', async () => {
    const [table, ids] = [input('table', 'float32', [50, 2]), input('ids', 'int32', ['B'])];
    const loss = scoped('bert.embeddings', () => sum(gather(table, ids)));
    const program = await compile({ dTable: gradient(loss, [table])[0]! }, { threads: 1, engine });
    const run = (): Promise<unknown> => program.run({ ids: { data: Int32Array.of(70), shape: [1] } });
    expect(await refusal(run, 'failed')).toMatch(
      /^run: the engine failed at scatterAdd_N in bert\.embeddings\.gradient \(/,
    );
  });

  it('name the operation that the engine does not have, when it is compiled', async () => {
    const y = scoped('flags', () => add(input('a', 'bool', [3]), input('b', 'bool', [3])));
    const message = await refusal(() => compile({ y }, { engine }), 'failed');
    expect(message).toMatch(
      /^compile: the engine failed at add_N in flags \(test\/runtime\/engine-failures\.test\.ts\): /,
    );
  });

  it('say nothing on the standard error', async () => {
    // The engine writes there itself, past `console`, so a process of its own has to be watched.
    const script = `
      import { gather, input } from './src/graph/index.ts';
      import { compile } from './src/runtime/index.ts';
      const program = await compile({ y: gather(input('t', 'float32', [2, 2]), input('i', 'int32', [1])) }, { engine: '${engine}' });
      const t = { data: new Float32Array(4), shape: [2, 2] };
      await program.run({ t, i: { data: Int32Array.of(9), shape: [1] } }).catch(() => console.log('failed'));`;
    const args = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    expect([stdout.trim(), stderr]).toEqual(['failed', '']);
  });
});
