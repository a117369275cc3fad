/** Charts read back from their SVG: where points, cells and texts are, against the arithmetic of the axes. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { heatmap, lineChart } from '../../src/charts/index.ts';

/** Fails unless every element is closed in its turn. */
function expectWellFormed(svg: string): void {
  const open: string[] = [];
  for (const [, closing, name, selfClosing] of svg.matchAll(/<(\/?)([a-z]\w*)[^<>]*?(\/?)>/gi)) {
    if (closing === '/') expect(open.pop()).toBe(name);
    else if (selfClosing !== '/') open.push(name!);
  }
  expect(open).toEqual([]);
  expect(svg.replace(/<[^<>]*>/g, '')).not.toMatch(/[<>]|&(?!\w+;|#\d+;)/);
}

const textsOf = (svg: string): string[] =>
  [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(([, text]) => text!);

/** The points of the paths with a stroke: `M10 20L30 40` to [[10, 20], [30, 40]]. */
const pathsOf = (svg: string, stroke: string): number[][][] =>
  [...svg.matchAll(/<path d="([^"]*)"[^>]*>/g)]
    .filter(([element]) => element.includes(`stroke="${stroke}"`))
    .map(([, d]) =>
      [...d!.matchAll(/[ML]?\s*(-?[\d.]+)[ ,](-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]),
    );

describe('a line chart', () => {
  const points = [
    [0, 9],
    [100, 5],
    [150, 4],
    [400, 3],
  ] as const;
  const options = {
    title: 'loss & <norm>',
    xLabel: 'update',
    yLabel: 'loss (nats)',
    series: [
      { name: 'training', points },
      { name: 'validation', points: [...points].map(([x, y]) => [x, y + 1] as const) },
    ],
  };

  it('has its points where the axes put them', () => {
    const svg = lineChart({ ...options, width: 700, height: 400 });
    expectWellFormed(svg);
    const [line] = pathsOf(svg, '#0072b2').filter(({ length }) => length === points.length);
    const [[x0, y0], , , [x1, y1]] = line as [number[], number[], number[], number[]];
    points.forEach(([x, y], i) => {
      // The x axis spans the data from edge to edge of the grid; both axes are linear, y upwards.
      expect(line![i]![0]).toBeCloseTo(68 + (x / 400) * (700 - 68 - 28), -1);
      expect(line![i]![0]).toBeCloseTo(x0! + (x / 400) * (x1! - x0!), 0);
      expect(line![i]![1]).toBeCloseTo(y0! + ((9 - y) / 6) * (y1! - y0!), 0);
    });
    expect(y1!).toBeGreaterThan(y0!);
  });

  it('names title, axes and lines, and escapes what they hold', () => {
    const texts = textsOf(lineChart(options));
    expect(texts).toEqual(
      expect.arrayContaining(['loss &amp; &lt;norm&gt;', 'update', 'loss (nats)', 'training', 'validation']),
    );
    expect(textsOf(lineChart({ ...options, series: options.series.slice(0, 1) }))).not.toContain('training');
  });

  it('leaves a gap where a value is not finite', () => {
    const gap = [...points.slice(0, 2), [120, NaN] as const, ...points.slice(2)];
    const svg = lineChart({ ...options, series: [{ name: 'a', points: gap }] });
    expect(svg).not.toContain('NaN');
    const [line] = pathsOf(svg, '#0072b2').filter(({ length }) => length === points.length);
    expect(line).toBeDefined();
    expect(
      [...svg.matchAll(/d="(M[^"]*)"[^>]*stroke="#0072b2"/g)].some(([, d]) => d!.split('M').length === 3),
    ).toBe(true);
  });

  it('spaces decades evenly on a logarithmic axis', () => {
    const decades = [0, 1, 2, 3].map((x) => [x, 10 ** x] as const);
    const svg = lineChart({ ...options, logY: true, series: [{ name: 'a', points: decades }] });
    const [line] = pathsOf(svg, '#0072b2').filter(({ length }) => length === 4);
    const heights = line!.map(([, y]) => y!);
    const steps = heights.slice(1).map((y, i) => heights[i]! - y);
    for (const step of steps) expect(step).toBeCloseTo(steps[0]!, 0);
    expect(steps[0]).toBeGreaterThan(50);
  });

  it('exchanges its own three neutral colours in the dark, and all of them', () => {
    const svg = lineChart(options);
    const light = new Set(
      [...svg.matchAll(/<[^>]*>/g)]
        // Areas for the mouse, and what clips the lines, are not seen.
        .filter(([element]) => !/stroke-width="0"|fill="#000"/.test(element))
        .flatMap(([element]) =>
          [...element.matchAll(/(?:fill|stroke)="(#\w+)"/g)].map(([, color]) => color!),
        ),
    );
    const exchanged = new Set([...svg.matchAll(/\[(?:fill|stroke)="(#\w+)"\]/g)].map(([, color]) => color!));
    const neutral = [...light].filter((color) => !['#0072b2', '#d55e00', '#fff'].includes(color));
    expect(neutral.sort()).toEqual([...exchanged].sort());
  });
});

describe('a heatmap', () => {
  const svg = heatmap({
    title: 'confusion',
    rowLabel: 'label',
    columnLabel: 'prediction',
    rows: ['ham', 'spam'],
    columns: ['HAM', 'SPAM', 'OTHER'],
    values: [
      [90, 0, 3],
      [7, 41, 2],
    ],
  });
  const cells = [
    ...svg.matchAll(/<path d="M([\d.]+) ([\d.]+)[^"]*" fill="(rgb[^"]*|#\w+)"[^>]*stroke="#ffffff"/g),
  ].map(([, x, y, fill]) => ({ x: Number(x), y: Number(y), fill: fill! }));

  it('has a cell for each value, rows downwards, and numbers in the order of the cells', () => {
    expectWellFormed(svg);
    expect(cells).toHaveLength(6);
    expect(new Set(cells.map(({ x }) => x)).size).toBe(3);
    expect(new Set(cells.map(({ y }) => y)).size).toBe(2);
    expect(cells[3]!.y).toBeGreaterThan(cells[0]!.y);
    expect(cells[2]!.x).toBeGreaterThan(cells[1]!.x);
    expect(textsOf(svg).filter((text) => /^\d+$/.test(text))).toEqual(['90', '0', '3', '7', '41', '2']);
  });

  it('is the darker the greater the value', () => {
    const brightness = (fill: string): number => {
      const hex = /^#(\w\w)(\w\w)(\w\w)$/.exec(fill);
      const parts =
        hex === null
          ? [...fill.matchAll(/\d+/g)].map(Number)
          : hex.slice(1).map((part) => parseInt(part, 16));
      return parts[0]! + parts[1]! + parts[2]!;
    };
    const [a, b, c, d, e, f] = cells.map(({ fill }) => brightness(fill)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    expect([a < e, e < d, d < c, c < f, f < b]).toEqual([true, true, true, true, true]);
  });
});

it('a process that has drawn ends by itself', () => {
  const code = `import('./src/charts/index.ts').then(({ lineChart }) =>
    lineChart({ title: '', xLabel: '', yLabel: '', series: [] }))`;
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', '--eval', code], { timeout: 20_000 });
  expect(status).toBe(0);
}, 25_000);
