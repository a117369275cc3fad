/** The view of a run on a terminal, as it stands on the screen after all its escape sequences. */
import { describe, expect, it } from 'vitest';
import { TrainingReporter } from '../../src/cli/training-reporter.ts';
import { sparkline, trainingView, type TrainingView } from '../../src/cli/training-view.ts';
import type { TrainingEvent } from '../../src/training/index.ts';

const view: TrainingView = {
  ...{ step: 120, totalSteps: 500, epoch: 0.96, loss: 1.25, losses: [4, 3, 2, 1.25], learningRate: 2.5e-5 },
  ...{ gradNorm: 3.2, samplesPerSecond: 12.345, secondsLeft: 3723, memoryBytes: 1.24e9 },
  evaluation: 'eval_f1 81.2 at 100',
};

describe('the view', () => {
  it('has three lines', () => {
    expect(trainingView(view, 120)).toEqual([
      '██████░░░░░░░░░░░░░░░░░░ 120/500  24 %  1:02:03 left  epoch 0.96',
      'loss 1.2500  █▅▃▁  learning rate 2.50e-5  gradient norm 3.20',
      '12.35 samples/s  1.24 GB  eval_f1 81.2 at 100',
    ]);
  });

  it.each([10, 25, 40, 41, 60, 80])('fits %d columns, whole parts where they fit', (columns) => {
    const whole = trainingView(view, 200);
    trainingView(view, columns).forEach((line, i) => {
      expect(line.length).toBeLessThan(columns);
      expect(whole[i]!.startsWith(line)).toBe(true);
      if (line.length > 32) expect(whole[i]!.slice(line.length)).toMatch(/^$|^ {2}/);
    });
  });
});

describe('a sparkline', () => {
  it.each<[values: number[], bars: string, width?: number]>([
    [[1, 2, 8, 4], '▁▂█▄'],
    [[3, 3, 3], '▁▁▁'],
    [[], ''],
    [[1, NaN, 8], '▁█'],
    // Two a bar: 1, 5 and 9.
    [[0, 2, 4, 6, 8, 10], '▁▅█', 3],
  ])('of %j is %s', (values, bars, width = 24) => {
    expect(sparkline(values, width)).toBe(bars);
  });
});

/** A terminal of so many columns: what stands on it after what was written. */
class Screen {
  readonly isTTY = true;
  readonly rows = 50;
  columns: number;
  #lines: string[] = [''];
  #row = 0;
  #column = 0;

  constructor(columns: number) {
    this.columns = columns;
  }

  get lines(): string[] {
    return this.#lines.map((line) => line.trimEnd());
  }

  write(text: string): void {
    // eslint-disable-next-line no-control-regex
    for (const [part, parameter, command] of text.matchAll(/\x1b\[(\??\d*)([A-Za-z])|[^]/g)) {
      if (command !== undefined) this.#escape(parameter === '' ? 1 : Number(parameter), command);
      else if (part === '\n') this.#goTo(this.#row + 1, 0);
      else if (part === '\r') this.#column = 0;
      else {
        const line = this.#lines[this.#row]!.padEnd(this.#column);
        this.#lines[this.#row] = line.slice(0, this.#column) + part + line.slice(this.#column + 1);
        this.#column += 1;
        if (this.#column > this.columns) throw new Error('a line is too long');
      }
    }
  }

  #escape(count: number, command: string): void {
    if (command === 'A') this.#goTo(this.#row - count, this.#column);
    else if (command === 'B') this.#goTo(this.#row + count, this.#column);
    else if (command === 'G') this.#column = Number.isNaN(count) ? 0 : count - 1;
    else if (command === 'K' && count === 2) this.#lines[this.#row] = '';
    else if (command === 'K') this.#lines[this.#row] = this.#lines[this.#row]!.slice(0, this.#column);
    else if (!'hl'.includes(command)) throw new Error(`unknown escape ${command}`);
  }

  #goTo(row: number, column: number): void {
    this.#row = row;
    this.#column = column;
    while (this.#lines.length <= row) this.#lines.push('');
  }
}

/** A run of so many updates with logs and one evaluation, as a reporter tells it. */
function tellRun(reporter: TrainingReporter, updates: number): void {
  const totalSteps = updates;
  const tell = (event: TrainingEvent): void => reporter.report(event);
  tell({ type: 'begin', examples: 21, totalSteps, step: 0 });
  for (let step = 1; step <= updates; step++) {
    tell({
      ...{ type: 'step', step, totalSteps, epoch: step / 6, loss: 5 / step, learningRate: 1e-5, gradNorm: 2 },
      ...{ samples: 4, seconds: step, samplesPerSecond: 4, secondsLeft: updates - step },
    });
    const entry = { step, epoch: 1, loss: 1, learning_rate: 1e-5, grad_norm: 2 };
    if (step % 3 === 0) tell({ type: 'log', totalSteps, entry });
  }
  tell({ type: 'evaluation', totalSteps, entry: { step: updates, epoch: 1, eval_f1: 71.25 } });
  tell({
    type: 'end',
    result: {
      ...{ epoch: 1, step: updates, train_loss: 1, train_runtime: 6, train_samples: 21 },
      ...{ train_samples_per_second: 4, train_steps_per_second: 1 },
    },
  });
}

const linesThatStay = [
  '21 windows, 6 updates',
  'step 3/6  epoch 1.00  loss 1.0000  learning rate 1.00e-5  gradient norm 2.00  4.00 samples/s  0:03 left',
  'step 6/6  epoch 1.00  loss 1.0000  learning rate 1.00e-5  gradient norm 2.00  4.00 samples/s  0:00 left',
  'step 6/6  eval_f1 71.25',
];
const lastLine = '6 updates in 0:06, 4.00 samples/s, mean loss 1.0000';

describe('a reporter', () => {
  it('on a terminal leaves one view below the lines that stay', () => {
    const screen = new Screen(120);
    const reporter = new TrainingReporter(screen);
    tellRun(reporter, 6);
    reporter.note('model written to OUT');
    const lines = screen.lines.filter((line) => line !== '');
    expect(lines.slice(0, 4)).toEqual(linesThatStay);
    expect(lines[4]).toBe('████████████████████████ 6/6  100 %  0:00 left  epoch 1.00');
    expect(lines[5]).toMatch(/^loss 0\.8333 {2}█.*▁ {2}learning rate 1\.00e-5 {2}gradient norm 2\.00$/);
    expect(lines[6]).toMatch(/^4\.00 samples\/s {2}\d+\.\d\d GB {2}eval_f1 71\.25 at 6$/);
    expect(lines.slice(7)).toEqual([lastLine, 'model written to OUT']);
  });

  it('on a terminal writes a frame whole, so that nothing flickers', () => {
    const writes: string[] = [];
    const reporter = new TrainingReporter({ isTTY: true, columns: 80, write: (text) => writes.push(text) });
    tellRun(reporter, 6);
    const frames = writes.filter((text) => text.includes('█'));
    expect(frames.length).toBeGreaterThan(1);
    // Between the marks of a synchronized update, and without clearing the screen.
    // eslint-disable-next-line no-control-regex
    for (const frame of frames) expect(frame).toMatch(/^\x1b\[\?2026h[^]*\x1b\[\?2026l$/);
    expect(writes.join('')).not.toContain('\x1b[2J');
  });

  it('elsewhere writes plain lines only', () => {
    const writes: string[] = [];
    tellRun(new TrainingReporter({ write: (text) => writes.push(text) }), 6);
    expect(writes.join('')).toBe([...linesThatStay, lastLine, ''].join('\n'));
  });
});
