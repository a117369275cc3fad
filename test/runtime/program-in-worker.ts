/** A thread of its own that runs a program and tells what came of it; with `keep`, it ends without a release. */
import { parentPort, workerData } from 'node:worker_threads';
import { input, multiply } from '../../src/graph/index.ts';
import { compile } from '../../src/runtime/index.ts';

const { keep } = workerData as { keep: boolean };
const program = await compile({ y: multiply(input('x', 'float32', ['n']), 2) }, { threads: 2 });
const size = 300_000;
const { y } = await program.run({ x: { data: new Float32Array(size).fill(21), shape: [size] } });
if (!keep) await program.release();
const { engine, fallbackReason } = program;
parentPort!.postMessage({ engine, fallbackReason, first: y.data[0], last: y.data[size - 1] });
