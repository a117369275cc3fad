/**
 * The report of a run as it goes: TensorBoard's event files under `runs/`, and `report.html` with its `report.json`,
 * written anew at every checkpoint and at the end.
 *
 * Training is worth more than its report: what cannot be written is told once, and the run goes on.
 */
import { readdir, rm } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { writeFileAtomic } from '../checkpoint/index.ts';
import { messageOf } from '../support/errors.ts';
import type { TrainingEvent } from '../training/index.ts';
import { environmentOf } from './environment.ts';
import {
  readRunRecord,
  RECORD_FILE,
  recordUpTo,
  type HashedFile,
  type RunRecord,
  type Session,
  type Settings,
} from './run-record.ts';
import { TensorBoardFile } from './tensorboard-file.ts';
import { UpdateCurve } from './update-curve.ts';

const PAGE_FILE = 'report.html';
const RUNS_DIRECTORY = 'runs';

export interface RunReportOptions {
  readonly outputDir: string;
  /** What is trained: `question answering`. */
  readonly task: string;
  /** As it was typed. */
  readonly command: string;
  readonly configuration: Settings;
  /** What training reads: its data, and the weights that it starts from. */
  readonly files: readonly HashedFile[];
  /** Of the engine; one a core unless told. */
  readonly threads?: number;
  readonly warn: (text: string) => void;
}

type Step = TrainingEvent & { readonly type: 'step' };

export class RunReport {
  readonly #options: RunReportOptions;
  #record: RunRecord;
  #curve: UpdateCurve;
  /** Where an earlier session left its event files. */
  readonly #earlierRun: string | undefined;
  #events: TensorBoardFile | undefined;
  /** In the loop, up to the last update. */
  #seconds = 0;
  /** Of the updates since the last entry of the log. */
  #sinceEntry = { samples: 0, seconds: 0 };
  #writing: Promise<void> = Promise.resolve();
  /** The last that is to be written. */
  #newest: RunRecord | undefined;
  #hasFailed = false;

  private constructor(options: RunReportOptions, record: RunRecord, earlierRun: string | undefined) {
    this.#options = options;
    this.#record = record;
    this.#curve = new UpdateCurve(record.updates);
    this.#earlierRun = earlierRun;
  }

  /** @param resumes whether the run may go on with what an earlier session recorded in the directory */
  static async open(options: RunReportOptions, resumes: boolean): Promise<RunReport> {
    const { outputDir, warn } = options;
    let earlier: RunRecord | undefined;
    try {
      earlier = resumes ? await readRunRecord(outputDir) : undefined;
    } catch (error) {
      warn(`${messageOf(error)}; the report begins anew`);
    }
    if (resumes) await removeLeftovers(outputDir);
    const runs = resumes ? await readdir(join(outputDir, RUNS_DIRECTORY)).catch(() => []) : [];
    return new RunReport(options, newRecord(options, earlier), runs.sort().at(-1));
  }

  record(event: TrainingEvent): void {
    switch (event.type) {
      case 'begin':
        this.#begin(event);
        break;
      case 'step':
        this.#step(event);
        break;
      case 'log':
        this.#record.log_history.push({ ...event.entry });
        this.#tellTensorBoard(event.entry, this.#throughput());
        break;
      case 'evaluation':
        this.#record.log_history.push({ ...event.entry });
        this.#record.best = event.best ?? this.#record.best;
        this.#tellTensorBoard(event.entry);
        this.#write();
        break;
      case 'saved':
        if (!this.#record.checkpoints.includes(event.step)) this.#record.checkpoints.push(event.step);
        this.#write();
        break;
      case 'stopped-early':
        this.note(
          `Stopped after update ${event.step}: ${event.evaluations} evaluations without improvement.`,
        );
        break;
      case 'best-loaded':
        this.note(`The model has the weights of update ${event.step}, the best of the evaluations.`);
        break;
      case 'warning':
        this.note(event.text);
        break;
      case 'end':
        break;
    }
  }

  /** A line that readers of the report should see. */
  note(text: string): void {
    this.#record.notes.push(text);
  }

  /**
   * The last word: how the session ended, and the files that it left.
   *
   * @param files the weights of the model
   */
  async close(
    state: Exclude<RunRecord['state'], 'running'>,
    files: readonly HashedFile[] = [],
  ): Promise<void> {
    this.#record.state = state;
    this.#record.files = [...this.#record.files, ...files];
    this.#session.ended = new Date().toISOString();
    this.#write();
    await this.#writing;
    this.#attempt(() => this.#events?.close());
    this.#events = undefined;
  }

  get #session(): Session {
    return this.#record.sessions.at(-1)!;
  }

  #begin({ step, totalSteps, examples }: TrainingEvent & { readonly type: 'begin' }): void {
    const { outputDir, command, configuration } = this.#options;
    this.#record = { ...recordUpTo(this.#record, step), total_steps: totalSteps, examples };
    this.#curve = new UpdateCurve(this.#record.updates);
    const session = this.#session;
    session.first_step = session.last_step = step;
    this.#attempt(() => {
      const name =
        (step > 0 ? this.#earlierRun : undefined) ?? session.began.slice(0, 19).replaceAll(':', '-');
      const directory = join(outputDir, RUNS_DIRECTORY, name);
      this.#events = TensorBoardFile.create(directory, step > 0 ? { resumedAt: step + 1 } : {});
      this.#events.text('configuration', markdownTable(configuration));
      this.#events.text('command', `    ${command}`);
    });
  }

  #step(event: Step): void {
    const seconds = event.seconds - this.#seconds;
    this.#curve.add({
      ...{ step: event.step, updates: 1, loss: event.loss, samples: event.samples },
      ...{ learning_rate: event.learningRate, grad_norm: event.gradNorm },
      seconds,
    });
    this.#seconds = event.seconds;
    this.#sinceEntry.samples += event.samples;
    this.#sinceEntry.seconds += seconds;
    const session = this.#session;
    session.last_step = event.step;
    session.seconds = event.seconds;
    session.peak_memory_bytes = process.resourceUsage().maxRSS * 1024;
  }

  /** An entry in transformers' tags, and what else there is to tell of it. */
  #tellTensorBoard(
    { step = 0, ...values }: Readonly<Record<string, number>>,
    more: Readonly<Record<string, number>> = {},
  ): void {
    const tagged = Object.entries(values).map(([name, value]) => [tagOf(name), value] as const);
    this.#attempt(() => this.#events?.scalars(step, { ...Object.fromEntries(tagged), ...more }));
  }

  /** Of the updates since the last call. */
  #throughput(): Record<string, number> {
    const { samples, seconds } = this.#sinceEntry;
    this.#sinceEntry = { samples: 0, seconds: 0 };
    return seconds > 0 ? { 'train/samples_per_second': samples / seconds } : {};
  }

  /** After what is being written; what waits longer than the next one is not written at all. */
  #write(): void {
    this.#record.updates = [...this.#curve.points];
    const record = structuredClone(this.#record);
    this.#newest = record;
    const { outputDir } = this.#options;
    this.#writing = this.#writing.then(async () => {
      if (record !== this.#newest) return;
      try {
        const { reportPage } = await import('./report-page.ts');
        await writeFileAtomic(join(outputDir, RECORD_FILE), `${JSON.stringify(record)}\n`);
        await writeFileAtomic(join(outputDir, PAGE_FILE), reportPage(record));
      } catch (error) {
        this.#failed(error);
      }
    });
  }

  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#failed(error);
    }
  }

  #failed(error: unknown): void {
    if (!this.#hasFailed) this.#options.warn(`the report of the run is not complete: ${messageOf(error)}`);
    this.#hasFailed = true;
  }
}

/** Half-written files of a session that was killed. */
async function removeLeftovers(outputDir: string): Promise<void> {
  const names = await readdir(outputDir).catch(() => []);
  const leftovers = names.filter((name) => /^\.report\.(html|json)\.[0-9a-f]+\.tmp$/.test(name));
  for (const name of leftovers) await rm(join(outputDir, name), { force: true }).catch(() => undefined);
}

/** As transformers' `rewrite_logs`: `eval_f1` is `eval/f1`, `loss` is `train/loss`. */
function tagOf(name: string): string {
  return name.startsWith('eval_') ? `eval/${name.slice('eval_'.length)}` : `train/${name}`;
}

function markdownTable(settings: Settings): string {
  const cell = (text: string): string => text.replaceAll('|', String.raw`\|`).replaceAll('\n', ' ');
  const rows = Object.entries(settings).map(([name, value]) => `| ${cell(name)} | ${cell(value)} |`);
  return ['| option | value |', '| --- | --- |', ...rows].join('\n');
}

function newRecord(options: RunReportOptions, earlier: RunRecord | undefined): RunRecord {
  const { outputDir, task, command, configuration, files, threads } = options;
  const session: Session = {
    ...{
      began: new Date().toISOString(),
      command,
      first_step: 0,
      last_step: 0,
      seconds: 0,
      peak_memory_bytes: 0,
    },
    environment: environmentOf(threads),
  };
  return {
    ...{ title: basename(resolve(outputDir)), task, state: 'running', examples: 0, total_steps: 0 },
    ...{ updates: [], log_history: [], checkpoints: [], notes: [] },
    ...earlier,
    ...{ state: 'running', configuration, files: [...files] },
    sessions: [...(earlier?.sessions ?? []), session],
  };
}
