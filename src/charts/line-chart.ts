/** Lines over a numeric axis, such as the losses of a training run. */
import { axisOption, drawSvg, FONT, SERIES_COLORS, titleOption, type ChartSize } from './chart-svg.ts';

export interface Series {
  readonly name: string;
  /** In the order of x. A value that is not finite leaves a gap. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface LineChartOptions extends ChartSize {
  readonly title: string;
  /** With its unit: `update`, `time (s)`. */
  readonly xLabel: string;
  readonly yLabel: string;
  readonly series: readonly Series[];
  /** A logarithmic y axis, for values above 0. */
  readonly logY?: boolean;
  /** The y axis begins at 0, and not at the lowest value. */
  readonly fromZero?: boolean;
}

/** Series of few points show each of them. */
const MARKED_POINTS = 30;
const DASHES = ['solid', 'dashed', 'dotted'] as const;

/** @returns an SVG document */
export function lineChart(options: LineChartOptions): string {
  const {
    title,
    xLabel,
    yLabel,
    series,
    logY = false,
    fromZero = false,
    width = 760,
    height = 420,
  } = options;
  const yAxis = axisOption(yLabel);
  return drawSvg(
    {
      title: titleOption(title),
      // One line needs no legend: the axis names it.
      legend: {
        show: series.length > 1,
        top: 40,
        left: 14,
        itemGap: 24,
        itemWidth: 32,
        textStyle: { ...FONT, fontSize: 12, padding: [0, 0, 0, 4] },
        icon: 'path://M0 4 H32 V6 H0 Z',
      },
      grid: { left: 68, right: 28, top: series.length > 1 ? 78 : 56, bottom: 56 },
      xAxis: { ...axisOption(xLabel), type: 'value', nameGap: 32, min: 'dataMin', max: 'dataMax' },
      yAxis: {
        ...yAxis,
        type: logY ? 'log' : 'value',
        nameGap: 48,
        scale: !fromZero,
        axisLabel: { ...yAxis.axisLabel, ...(areTiny(series) ? { formatter: inPowersOfTen } : {}) },
      },
      series: series.map(({ name, points }, i) => ({
        type: 'line',
        name,
        data: points.map(([x, y]) => [x, Number.isFinite(y) ? y : '-']),
        color: SERIES_COLORS[i % SERIES_COLORS.length],
        // Beyond the sixth line the colours come again, in dashes.
        lineStyle: { width: 2, type: DASHES[Math.floor(i / SERIES_COLORS.length) % DASHES.length] },
        showSymbol: points.length <= MARKED_POINTS,
        symbol: 'circle',
        symbolSize: 6,
      })),
    },
    width,
    height,
  );
}

/** Such as learning rates, which are written as powers of ten. */
function areTiny(series: readonly Series[]): boolean {
  const most = Math.max(
    ...series.flatMap(({ points }) => points.map(([, y]) => (Number.isFinite(y) ? Math.abs(y) : 0))),
  );
  return most > 0 && most < 1e-3;
}

/** `3e-5` and `1.25e-5`, but `0`. */
function inPowersOfTen(value: number): string {
  return value === 0 ? '0' : Number(value.toPrecision(3)).toExponential();
}
