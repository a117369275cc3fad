/** Where the tests of this room find their data: their own small set, and the larger shared ones if present. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseSquad, type SquadDataset } from '../../src/squad/index.ts';
import { readSquadFile } from '../../src/squad/squad-files.ts';
import { BertTokenizer } from '../../src/tokenizers/index.ts';

export type Casing = 'cased' | 'uncased';

const sharedData = fileURLToPath(new URL('../../../shared/data/', import.meta.url));

export const hasSharedData = existsSync(`${sharedData}qa`) && existsSync(`${sharedData}vocab`);

export function sharedSet(name: string): Promise<SquadDataset> {
  return readSquadFile(`${sharedData}qa/${name}.json.gz`);
}

export function sharedTokenizer(casing: Casing): BertTokenizer {
  const vocab = readFileSync(`${sharedData}vocab/bert-${casing}/vocab.txt`, 'utf8');
  return BertTokenizer.fromVocab(vocab, { lowercase: casing === 'uncased' });
}

export function fixture(name: string): string {
  return readFileSync(new URL(`fixtures/${name}`, import.meta.url), 'utf8');
}

/** 25 questions in the format of SQuAD v2.0, written for these tests. */
export function ownSet(): SquadDataset {
  return parseSquad(fixture('own-set.json'));
}

export function ownTokenizer(casing: Casing): BertTokenizer {
  return BertTokenizer.fromVocab(fixture('own-vocab.txt'), { lowercase: casing === 'uncased' });
}

export function golden(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`../golden/squad/${name}.json`, import.meta.url), 'utf8'));
}

/** The generator of scripts/golden/squad.py. */
export class Lcg {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  next(): number {
    this.#state = (Math.imul(this.#state, 1664525) + 1013904223) >>> 0;
    return this.#state;
  }

  logits(count: number, nullBonus: number): Float32Array {
    const logits = Float32Array.from({ length: count }, () => ((this.next() >>> 8) - 2 ** 23) / 2 ** 19 / 2);
    logits[0]! += nullBonus;
    return logits;
  }
}
