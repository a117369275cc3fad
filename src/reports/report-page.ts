/** `report.html`: one page about one run, with nothing to load from anywhere. */
import type { Series } from '../charts/index.ts';
import { duration, grouped, megabytes, shortNumber } from './figures.ts';
import { html, Html } from './html.ts';
import { reportCharts, type ReportChart } from './report-charts.ts';
import { REPORT_STYLE } from './report-style.ts';
import type { RunRecord, Session, Settings } from './run-record.ts';

/** @returns an HTML document */
export function reportPage(record: RunRecord): string {
  const { title, task, state, notes } = record;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}: ${task}</title>
        <style>
          ${new Html(REPORT_STYLE)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <div class="eyebrow">Bertram, ${task}<span class="state ${state}">${state}</span></div>
            <h1>${title}</h1>
            <p class="lead">${leadOf(record)}</p>
            <dl class="figures">${keyFigures(record).map(figureCard)}</dl>
          </header>
          ${
            notes.length === 0
              ? undefined
              : section(
                  'Notes',
                  html`<div class="card notes">
                    <ul>
                      ${notes.map((note) => html`<li>${note}</li>`)}
                    </ul>
                  </div>`,
                )
          }
          ${section('Curves', html`<div class="charts">${reportCharts(record).map(chartFigure)}</div>`)}
          ${checkpointSection(record)} ${section('Data and weights', filesTable(record))}
          ${section('Configuration', html`<div class="card columns">${settingsTable(record.configuration)}</div>`)}
          ${section('Environment', html`<div class="card">${settingsTable(record.sessions.at(-1)?.environment ?? {})}</div>`)}
          ${section('Command and times', html`<div class="card">${sessionsTable(record.sessions)}</div>`)}
          <footer>
            Written by bertram. The same figures are in report.json, trainer_state.json and, for TensorBoard,
            runs/.
          </footer>
        </main>
      </body>
    </html> `;
  return page.text;
}

const section = (name: string, content: Html): Html =>
  html`<section>
    <h2>${name}</h2>
    ${content}
  </section>`;

function leadOf({ examples, configuration, sessions }: RunRecord): string {
  const began = sessions[0]?.began ?? '';
  const times = sessions.length - 1;
  const resumed = times === 0 ? '' : `, resumed ${times === 1 ? 'once' : `${times} times`}`;
  const model = configuration['model_name_or_path'] ?? configuration['config'];
  const from = model === undefined ? '' : `${model} on `;
  return `${from}${grouped(examples)} examples, begun ${began.slice(0, 16).replace('T', ' ')} UTC${resumed}.`;
}

type KeyFigure = readonly [name: string, value: string, more?: string];

function keyFigures(record: RunRecord): KeyFigure[] {
  const { updates, log_history: log, best, total_steps, sessions } = record;
  const last = updates.at(-1);
  const figures: KeyFigure[] = [];
  if (best !== undefined)
    figures.push([
      `best ${plain(best.metric)}`,
      shortNumber(best.value),
      `after update ${grouped(best.step)}`,
    ]);
  const evaluation = log.findLast((entry) => !('loss' in entry));
  const scores = Object.entries(evaluation ?? {}).filter(([name]) =>
    /^eval_(exact_match|f1|loss|.*accuracy)$/.test(name),
  );
  for (const [name, value] of scores.slice(0, 2))
    figures.push([plain(name), shortNumber(value), 'last evaluation']);
  if (last !== undefined) {
    const first = updates[0]!;
    figures.push(['training loss', shortNumber(last.loss), `from ${shortNumber(first.loss)}`]);
    figures.push(['updates', grouped(last.step), `of ${grouped(total_steps)}`]);
    const samples = sum(updates.map((point) => point.samples));
    const seconds = sum(updates.map((point) => point.seconds));
    figures.push(['throughput', shortNumber(samples / seconds), 'samples per second']);
  }
  figures.push(['time in training', duration(sum(sessions.map(({ seconds }) => seconds)))]);
  figures.push([
    'peak memory',
    megabytes(Math.max(0, ...sessions.map((session) => session.peak_memory_bytes))),
  ]);
  return figures;
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const plain = (metric: string): string => metric.replace(/^eval_/, '').replaceAll('_', ' ');

function figureCard([name, value, more]: KeyFigure): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value}${more === undefined ? undefined : html`<small>${more}</small>`}</dd>
  </div>`;
}

function chartFigure({ title, svg, series }: ReportChart): Html {
  const words = series.map(inWords).join('; ');
  const described = svg.replace('role="img"', html`role="img" aria-label="${`${title}: ${words}`}"`.text);
  return html`<figure>
    <div class="plot" tabindex="0">${new Html(described)}</div>
    <figcaption>${words}.</figcaption>
    <details>
      <summary>The figures</summary>
      <div class="scroll">${seriesTable(series)}</div>
    </details>
  </figure>`;
}

/** `training from 5.95 to 1.2, lowest 1.1 at update 340` */
function inWords({ name, points }: Series): string {
  const finite = points.filter(([, y]) => Number.isFinite(y));
  const [first, last] = [finite[0]!, finite.at(-1)!];
  if (finite.length === 1) return `${name} ${shortNumber(first[1])} at update ${grouped(first[0])}`;
  const least = finite.reduce((a, b) => (b[1] < a[1] ? b : a));
  const most = finite.reduce((a, b) => (b[1] > a[1] ? b : a));
  const extremes = [
    `lowest ${shortNumber(least[1])} at update ${grouped(least[0])}`,
    `highest ${shortNumber(most[1])} at update ${grouped(most[0])}`,
  ];
  return `${name} from ${shortNumber(first[1])} to ${shortNumber(last[1])}, ${extremes.join(', ')}`;
}

/** A row for each update that any of the series has. */
function seriesTable(series: readonly Series[]): Html {
  const steps = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const columns = series.map(({ points }) => new Map(points));
  const cell = (value: number | undefined): Html =>
    html`<td class="number">${value === undefined ? '' : shortNumber(value)}</td>`;
  return html`<table>
    <thead>
      <tr>
        <th class="number" scope="col">update</th>
        ${series.map(({ name }) => html`<th class="number" scope="col">${name}</th>`)}
      </tr>
    </thead>
    <tbody>
      ${steps.map(
        (step) =>
          html`<tr>
            <td class="number">${grouped(step)}</td>
            ${columns.map((column) => cell(column.get(step)))}
          </tr>`,
      )}
    </tbody>
  </table>`;
}

function checkpointSection({ best, checkpoints, state }: RunRecord): Html | undefined {
  if (best === undefined && checkpoints.length === 0) return undefined;
  const ofBest =
    best === undefined
      ? undefined
      : html`<p>
          The best evaluation was after update ${grouped(best.step)}, with ${plain(best.metric)}
          ${shortNumber(best.value)}${state === 'finished' && checkpoints.includes(best.step) ? html` (<code>checkpoint-${best.step}</code>)` : undefined}.
        </p>`;
  const written = checkpoints.map((step) => `checkpoint-${step}`).join(', ');
  return section(
    'Checkpoints',
    html`<div class="card">${ofBest}${written === '' ? undefined : html`<p>Written: ${written}.</p>`}</div>`,
  );
}

function filesTable({ files }: RunRecord): Html {
  const row = ({ role, path, bytes, sha256 }: RunRecord['files'][number]): Html =>
    html`<tr>
      <td>${role}</td>
      <td><code>${path}</code><br /><code class="hash">${sha256}</code></td>
      <td class="number">${megabytes(bytes)}</td>
    </tr>`;
  return html`<div class="card">
    <table>
      <thead>
        <tr>
          <th scope="col">what</th>
          <th scope="col">file and SHA-256</th>
          <th class="number" scope="col">size</th>
        </tr>
      </thead>
      <tbody>
        ${files.map(row)}
      </tbody>
    </table>
  </div>`;
}

function settingsTable(settings: Settings): Html {
  const rows = Object.entries(settings).map(
    ([name, value]) =>
      html`<tr>
        <th scope="row">${name.replaceAll('_', ' ')}</th>
        <td>${value}</td>
      </tr>`,
  );
  return html`<table>
    <tbody>
      ${rows}
    </tbody>
  </table>`;
}

function sessionsTable(sessions: readonly Session[]): Html {
  const row = (session: Session): Html =>
    html`<tr>
      <td>
        ${session.began.slice(0, 19).replace('T', ' ')}<br />${session.ended?.slice(0, 19).replace('T', ' ') ?? 'not ended'}
      </td>
      <td class="number">${grouped(session.first_step)} to ${grouped(session.last_step)}</td>
      <td class="number">${duration(session.seconds)}</td>
      <td><pre>${session.command}</pre></td>
    </tr>`;
  return html`<table>
    <thead>
      <tr>
        <th scope="col">begun, ended (UTC)</th>
        <th class="number" scope="col">updates</th>
        <th class="number" scope="col">time</th>
        <th scope="col">command</th>
      </tr>
    </thead>
    <tbody>
      ${sessions.map(row)}
    </tbody>
  </table>`;
}
