/** `report.html` as a reader gets it: read back from its text, with names of files that try to be markup. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { shellCommand } from '../../src/reports/environment.ts';
import { html } from '../../src/reports/html.ts';
import { RunReport, type RunReportOptions } from '../../src/reports/run-report.ts';
import type { TrainingEvent } from '../../src/training/index.ts';
import { temporaryDirectory } from '../checkpoint/temporary-directory.ts';

const HOSTILE = `<script>alert("1")</script> & 'x'.json`;
const SHA256 = '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08';

const optionsIn = (outputDir: string, warnings: string[] = []): RunReportOptions => ({
  outputDir,
  task: 'question answering',
  command: shellCommand(['bertram', 'finetune', '--train_file', HOSTILE]),
  configuration: { learning_rate: '3e-05', train_file: HOSTILE },
  files: [{ role: 'training data', path: HOSTILE, bytes: 1234, sha256: SHA256 }],
  warn: (text) => warnings.push(text),
});

const lossAt = (step: number): number => 5 / step;

/** Updates `first + 1` to `last`, logged every second one; evaluated and saved every fourth. */
function runUpdates(report: RunReport, first: number, last: number, totalSteps = last): void {
  const tell = (event: TrainingEvent): void => report.record(event);
  tell({ type: 'begin', examples: 21, totalSteps, step: first });
  for (let step = first + 1; step <= last; step++) {
    const seconds = (step - first) * 0.5;
    tell({
      ...{ type: 'step', step, totalSteps, epoch: step / 6, loss: lossAt(step), learningRate: 1e-5 * step },
      ...{ gradNorm: step + 0.5, samples: 4, seconds, samplesPerSecond: 8, secondsLeft: 1 },
    });
    const entry = { step, epoch: step / 6, loss: lossAt(step), learning_rate: 1e-5, grad_norm: 2 };
    if (step % 2 === 0) tell({ type: 'log', totalSteps, entry });
    if (step % 4 !== 0) continue;
    const best = { step: 4, metric: 'eval_f1', value: 71.25 };
    tell({ type: 'evaluation', totalSteps, entry: { step, epoch: 1, eval_f1: 75.25 - step }, best });
    tell({ type: 'saved', step });
  }
}

async function finishedRun(directory = temporaryDirectory()): Promise<string> {
  const report = await RunReport.open(optionsIn(directory), false);
  runUpdates(report, 0, 13);
  report.note(`a note about ${HOSTILE}`);
  await report.close('finished', [
    { role: 'trained weights', path: 'model', bytes: 5, sha256: 'ab'.repeat(32) },
  ]);
  return directory;
}

const pageIn = (directory: string): string => readFileSync(join(directory, 'report.html'), 'utf8');
const textsOf = (page: string, tag: string): string[] =>
  [...page.matchAll(new RegExp(`<${tag}[ >][^]*?</${tag}>`, 'g'))].map(([element]) =>
    element
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ')
      .trim(),
  );

describe('report.html', () => {
  it('asks nothing of any other place', async () => {
    const page = pageIn(await finishedRun());
    expect(page).not.toMatch(/<script|<link|<iframe|<img|<object|@import|url\(\s*['"]?(https?:|\/\/)/i);
    expect(page).not.toMatch(/\b(src|srcset|href|action|poster)\s*=/i);
    // The name of SVG is no address that anything is read from.
    expect(
      page.replaceAll('xmlns="http://www.w3.org/2000/svg"', '').replace(/xmlns:xlink="[^"]*"/g, ''),
    ).not.toMatch(/https?:\/\//);
  });

  it('shows hostile names as what they are', async () => {
    const page = pageIn(await finishedRun());
    expect(page).not.toContain('<script');
    expect(
      page.split('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;x&#39;.json').length,
    ).toBe(4);
    // In the command line, quotes of the shell beside those of HTML.
    expect(page).toContain(
      String.raw`&#39;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;\&#39;&#39;x`,
    );
    expect(html`<i>${'<'}${[html`<b></b>`, '"']}${undefined}${3}</i>`.text).toBe('<i>&lt;<b></b>&quot;3</i>');
  });

  it('has a figure with a description and a table for each curve', async () => {
    const page = pageIn(await finishedRun());
    const figures = page.match(/<figure>[^]*?<\/figure>/g)!;
    const labels = figures.map((figure) => /<svg[^>]* aria-label="([^"]*)"/.exec(figure)?.[1]);
    expect(labels.map((label) => label?.split(':')[0])).toEqual([
      ...['Loss', 'Evaluation', 'Learning rate', 'Gradient norm', 'Throughput'],
    ]);
    expect(labels[0]).toBe(
      'Loss: training from 5 to 0.3846, lowest 0.3846 at update 13, highest 5 at update 1',
    );
    expect(figures.every((figure) => figure.includes('<details>'))).toBe(true);
    const rows = textsOf(figures[0], 'tr');
    expect(rows.slice(0, 3)).toEqual(['update training', '1 5', '2 2.5']);
    expect(rows).toHaveLength(1 + 13);
    expect(textsOf(figures[1]!, 'tr')).toEqual(['update f1', '4 71.25', '8 67.25', '12 63.25']);
    expect(textsOf(figures[4]!, 'tr')[1]).toBe('1 8');
  });

  it('has key figures, checksums, the command, the best checkpoint and the notes', async () => {
    const page = pageIn(await finishedRun());
    const text = page
      .replace(/<style>[^]*?<\/style>/, '')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ');
    for (const expected of [
      ...['best f1 71.25 after update 4', 'updates 13 of 13', 'throughput 8 samples per second'],
      ...[SHA256, 'ab'.repeat(32), 'bertram finetune --train_file', 'learning rate 3e-05'],
      ...['checkpoint-4, checkpoint-8, checkpoint-12', 'a note about', process.version.slice(1)],
    ])
      expect(text).toContain(expected);
    expect(page.match(/<h1>[^<]*<\/h1>/g)).toHaveLength(1);
    expect(page).toMatch(/<html lang="en">[^]*<title>[^<]+<\/title>[^]*prefers-color-scheme:dark/);
  });

  it('goes on where a run is resumed, without what was lost', async () => {
    const directory = temporaryDirectory();
    const first = await RunReport.open(optionsIn(directory), false);
    runUpdates(first, 0, 11, 20);
    await first.close('stopped');
    expect(pageIn(directory)).toMatch(/class="state stopped"/);
    const second = await RunReport.open(optionsIn(directory), true);
    runUpdates(second, 8, 20);
    await second.close('finished');
    const record = JSON.parse(readFileSync(join(directory, 'report.json'), 'utf8')) as {
      updates: { step: number; seconds: number }[];
      log_history: { step: number }[];
      checkpoints: number[];
      sessions: { first_step: number; last_step: number }[];
    };
    expect(record.updates.map(({ step }) => step)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
    expect(record.updates.every(({ seconds }) => seconds === 0.5)).toBe(true);
    expect(record.log_history.filter((entry) => !('loss' in entry)).map(({ step }) => step)).toEqual([
      4, 8, 12, 16, 20,
    ]);
    expect(record.checkpoints).toEqual([4, 8, 12, 16, 20]);
    expect(record.sessions).toMatchObject([
      { first_step: 0, last_step: 11 },
      { first_step: 8, last_step: 20 },
    ]);
    expect(pageIn(directory)).toContain('resumed once');
    // Both sessions are one run to TensorBoard.
    const runs = readdirSync(join(directory, 'runs'));
    expect(runs).toHaveLength(1);
    expect(readdirSync(join(directory, 'runs', runs[0]!))).toHaveLength(2);
  });

  it('begins anew, with a warning, after a record that is damaged', async () => {
    const directory = await finishedRun();
    writeFileSync(join(directory, 'report.json'), '{"title": 3}');
    const warnings: string[] = [];
    const report = await RunReport.open(optionsIn(directory, warnings), true);
    runUpdates(report, 4, 8);
    await report.close('finished');
    expect(warnings.map((text) => text.replaceAll(directory, 'DIR'))).toEqual([
      'DIR/report.json: expected the record of a run, got other content; the report begins anew',
    ]);
    expect(pageIn(directory)).toContain('updates');
  });

  it('that cannot be written is told once, and the run goes on', async () => {
    const directory = temporaryDirectory();
    const warnings: string[] = [];
    const report = await RunReport.open(optionsIn(directory, warnings), false);
    rmSync(directory, { recursive: true });
    writeFileSync(directory, '');
    runUpdates(report, 0, 13);
    await report.close('finished');
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^the report of the run is not complete: /);
    rmSync(directory);
  });

  it('of a run that was told nothing has no curves and no wrong numbers', async () => {
    const directory = temporaryDirectory();
    const report = await RunReport.open(optionsIn(directory), false);
    await report.close('failed');
    expect(pageIn(directory)).not.toMatch(/NaN|undefined|Infinity|<figure>/);
  });
});
