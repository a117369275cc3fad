/** Charts as SVG text. Loading this room loads a drawing library: import it where something is drawn. */
export { heatmap, type HeatmapOptions } from './heatmap.ts';
export { lineChart, type LineChartOptions, type Series } from './line-chart.ts';
