/** Our side of bench/vocab.ts: learns a vocabulary from a file, as `bertram vocab` does, on one thread. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { countWords } from '../../src/cli/corpus-words.ts';
import { trainWordPiece, WordCounter } from '../../src/tokenizers/index.ts';

interface Request {
  readonly text: string;
  readonly output: string;
  readonly vocabSize: number;
  readonly uncased: boolean;
}

for await (const line of createInterface(process.stdin)) {
  const { text, output, vocabSize, uncased } = JSON.parse(line) as Request;
  const began = performance.now();
  const cpuBegan = process.cpuUsage();
  const counter = new WordCounter({ lowercase: uncased });
  await countWords([text], counter, () => undefined);
  writeFileSync(output, trainWordPiece(counter.counts(), { vocabSize }).toString());
  const seconds = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(cpuBegan);
  console.log(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, megabytes: peakMegabytes() }));
}

/** Of this process alone: getrusage() begins with what the parent had. */
function peakMegabytes(): number | undefined {
  if (!existsSync('/proc/self/status')) return undefined;
  const kilobytes = /^VmHWM:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return Math.round(Number(kilobytes?.[1]) / 1024);
}
