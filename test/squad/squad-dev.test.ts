import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { scoreSquadV1, squadFeatures } from '../../src/squad/index.ts';
import { readSquadFile } from '../../src/squad/squad-files.ts';
import { hasSharedData, sharedTokenizer } from './shared-sets.ts';

const path = process.env['BERTRAM_SQUAD_DEV'] ?? '';

describe.skipIf(!existsSync(path) || !hasSharedData)(
  'SQuAD 1.1 dev (skipped unless BERTRAM_SQUAD_DEV names dev-v1.1.json, and without ../shared/data)',
  () => {
    // run_qa.py (overlap) and run_squad.py (step) at 384/128.
    it.each([
      ['cased', 'overlap', 10822],
      ['cased', 'step', 10881],
      ['uncased', 'overlap', 10784],
      ['uncased', 'step', 10833],
    ] as const)('has as many %s windows in %s mode as the reference', async (casing, strideMode, count) => {
      const { examples } = await readSquadFile(path);
      expect(examples).toHaveLength(10570);
      const { windows } = squadFeatures(examples, sharedTokenizer(casing), { strideMode, labels: false });
      expect(windows).toHaveLength(count);
    });

    it('gives its own first answers an exact match of 100', async () => {
      const { examples } = await readSquadFile(path);
      const predictions = new Map(examples.map(({ id, answers }) => [id, answers[0]!.text]));
      expect(scoreSquadV1(examples, predictions)).toMatchObject({ exactMatch: 100, f1: 100 });
    });
  },
);
