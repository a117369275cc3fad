/** Question answering itself runs in a page: nothing it imports, at any remove, needs Node. */
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';

/** `import ... from 'x'` and `export ... from 'x'` at the beginning of a line, but for those of types alone. */
const STATIC_IMPORT = /^(?:import|export)\s(?!type\s)(?:[^'";]*?\sfrom\s)?'([^']+)'/gm;

function importsOf(file: string, seen = new Map<string, string>()): ReadonlyMap<string, string> {
  const text = readFileSync(file, 'utf8');
  for (const [, target = ''] of text.matchAll(STATIC_IMPORT)) {
    const path = target.startsWith('.') ? normalize(join(dirname(file), target)) : target;
    if (seen.has(path)) continue;
    seen.set(path, file);
    if (target.startsWith('.')) importsOf(path, seen);
  }
  return seen;
}

it.each([
  'src/pipelines/question-answering.ts',
  'src/pipelines/question-answering-model.ts',
  'src/pipelines/model-tokenizer.ts',
  'src/checkpoint/parameter-loading.ts',
])('%s', (file) => {
  const imports = importsOf(file);
  expect(imports.size).toBeGreaterThan(3);
  expect([...imports].filter(([target]) => target.startsWith('node:'))).toEqual([]);
  const packages = [...imports.keys()].filter((target) => !target.startsWith('src/'));
  for (const name of packages)
    expect(['#onnxruntime', 'zod', '@bufbuild/protobuf', '@bufbuild/protobuf/codegenv2']).toContain(name);
});
