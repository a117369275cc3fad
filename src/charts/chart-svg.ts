/**
 * Charts as SVG text, drawn by Apache ECharts without a browser (https://echarts.apache.org/handbook/en/how-to/cross-platform/server).
 *
 * A chart stands alone: it brings its own background and needs no script or font. Where the reader's system is dark, a
 * media query exchanges background, ink and grid. Colours are those of Okabe and Ito ("Color universal design", 2008),
 * which people with any colour vision tell apart, and which keep a contrast of 3 : 1 on both backgrounds.
 */
import { HeatmapChart, LineChart } from 'echarts/charts';
import { GridComponent, LegendComponent, TitleComponent, VisualMapComponent } from 'echarts/components';
import { init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';

use([
  LineChart,
  HeatmapChart,
  GridComponent,
  LegendComponent,
  TitleComponent,
  VisualMapComponent,
  SVGRenderer,
]);

/** Part of what ECharts is asked to draw (https://echarts.apache.org/en/option.html). */
type ChartOption = Readonly<Record<string, unknown>>;

export interface ChartSize {
  /** In pixels. */
  readonly width?: number;
  readonly height?: number;
}

/** Blue, vermilion, green, purple, orange, sky: the order in which series take them. */
export const SERIES_COLORS = ['#0072b2', '#d55e00', '#009e73', '#b8659a', '#c78500', '#3b96cf'] as const;

const BACKGROUND = '#fefefe';
const GRID = '#dcdfe5';
const INK = '#3a3f4a';

/** What the light colours become for a reader whose system is dark. */
const DARK: Readonly<Record<string, string>> = {
  [BACKGROUND]: '#15181e',
  [GRID]: '#343a46',
  [INK]: '#d3d7df',
};

export const FONT = { color: INK, fontFamily: 'system-ui, sans-serif' };

/** The title, upper left. */
export function titleOption(text: string) {
  return { text, left: 16, top: 12, textStyle: { ...FONT, fontSize: 16, fontWeight: 600 } };
}

/** What all axes share. Their names stand at their middle and tell the unit. */
export function axisOption(name: string) {
  return {
    name,
    nameLocation: 'middle',
    nameTextStyle: { ...FONT, fontSize: 13 },
    axisLabel: { ...FONT, fontSize: 12 },
    axisLine: { lineStyle: { color: INK } },
    splitLine: { lineStyle: { color: GRID } },
  };
}

/** Draws a chart. */
export function drawSvg(option: ChartOption, width: number, height: number): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
  try {
    chart.setOption({ animation: false, backgroundColor: BACKGROUND, textStyle: FONT, ...option });
    return withDarkColors(chart.renderToSVGString());
  } finally {
    // Else its clock would keep the process from ending.
    chart.dispose();
  }
}

function withDarkColors(svg: string): string {
  const rules = Object.entries(DARK).flatMap(([light, dark]) =>
    ['fill', 'stroke'].map((paint) => `.chart [${paint}="${light}"]{${paint}:${dark}}`),
  );
  const style = `<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`;
  return svg.replace(/^<svg([^>]*)>/, `<svg class="chart" role="img"$1>${style}`);
}
