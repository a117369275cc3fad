/** What a browser is sent of the runtime: bundled, it holds neither koffi nor a module of Node. */
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');

async function inputsOf(platform: 'browser' | 'node'): Promise<string[]> {
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/runtime/index.ts'],
    bundle: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform,
    logLevel: 'silent',
    // Packages: whether they are asked for is the question here.
    external: ['#onnxruntime', 'koffi'],
  });
  const imported = Object.values(metafile.outputs).flatMap(({ imports }) => imports.map(({ path }) => path));
  return [...Object.keys(metafile.inputs), ...imported];
}

it('has the browser’s way to the engine alone', async () => {
  const inputs = await inputsOf('browser');
  expect(inputs).toContain('src/runtime/native-engine-browser.ts');
  expect(inputs).toContain('#onnxruntime');
  expect(inputs.filter((path) => /^node:|koffi|foreign|native-session|engine-library/.test(path))).toEqual(
    [],
  );
});

it('has both elsewhere', async () => {
  const inputs = await inputsOf('node');
  for (const path of ['src/runtime/native-session.ts', 'koffi', '#onnxruntime'])
    expect(inputs).toContain(path);
});
