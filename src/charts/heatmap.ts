/** A matrix as coloured cells with their numbers, such as a confusion matrix. */
import { axisOption, drawSvg, titleOption, type ChartSize } from './chart-svg.ts';

export interface HeatmapOptions extends ChartSize {
  readonly title: string;
  /** What the rows and the columns are, such as `label` and `prediction`. */
  readonly rowLabel: string;
  readonly columnLabel: string;
  /** Names of the rows, from the top. */
  readonly rows: readonly string[];
  /** Names of the columns, from the left. */
  readonly columns: readonly string[];
  /** [rows][columns] */
  readonly values: readonly (readonly number[])[];
  /** How a cell shows its number. */
  readonly format?: (value: number) => string;
}

/** From white to dark blue, evenly for the eye (ColorBrewer's Blues, Harrower and Brewer 2003). */
const SHADES = ['#f7fbff', '#c6dbef', '#6baed6', '#2171b5', '#08306b'];
/** The share of the range from which a cell is dark enough for white digits. */
const DARK_FROM = 0.6;
/** With more cells, numbers would not fit. */
const NUMBERED_CELLS = 400;
const CELL = { width: 72, height: 36 } as const;

/** @returns an SVG document */
export function heatmap(options: HeatmapOptions): string {
  const { title, rowLabel, columnLabel, rows, columns, values, format = String } = options;
  const left = 48 + 7 * longest(rows);
  // Names of columns that are wider than a cell are written aslant.
  const aslant = 7 * longest(columns) > CELL.width;
  const bottom = aslant ? 52 + 4 * Math.min(longest(columns), 24) : 60;
  const width = options.width ?? Math.max(420, left + 32 + columns.length * CELL.width);
  const height = options.height ?? 56 + bottom + rows.length * CELL.height;
  const top = Math.max(...values.flat());
  const lowest = Math.min(0, ...values.flat());
  const range = { min: lowest, max: top > lowest ? top : lowest + 1 };
  const isDark = (value: number): boolean => value - lowest >= DARK_FROM * (range.max - lowest);
  const category = (name: string, data: readonly string[]) => ({
    ...axisOption(name),
    type: 'category',
    data: [...data],
    axisTick: { show: false },
    splitLine: { show: false },
  });
  const columnAxis = category(columnLabel, columns);
  return drawSvg(
    {
      title: titleOption(title),
      grid: { left, right: 32, top: 52, bottom },
      xAxis: {
        ...columnAxis,
        nameGap: bottom - 24,
        axisLabel: { ...columnAxis.axisLabel, interval: 0, rotate: aslant ? 35 : 0 },
      },
      yAxis: { ...category(rowLabel, rows), inverse: true, nameGap: left - 28 },
      visualMap: { show: false, ...range, inRange: { color: SHADES } },
      series: [
        {
          type: 'heatmap',
          data: values.flatMap((row, y) =>
            row.map((value, x) => ({
              value: [x, y, value],
              label: { color: isDark(value) ? '#ffffff' : '#1d2129', formatter: () => format(value) },
            })),
          ),
          label: { show: rows.length * columns.length <= NUMBERED_CELLS, fontSize: 12 },
          itemStyle: { borderWidth: 1, borderColor: '#ffffff' },
        },
      ],
    },
    width,
    height,
  );
}

function longest(names: readonly string[]): number {
  return names.reduce((most, name) => Math.max(most, name.length), 0);
}
