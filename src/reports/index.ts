/** Reports of runs that train: TensorBoard's event files, and a page that stands alone. */
export { hashedFile, shellCommand } from './environment.ts';
export { duration, grouped, megabytes, shortNumber } from './figures.ts';
export { RunReport, type RunReportOptions } from './run-report.ts';
export type { HashedFile, RunRecord, Settings } from './run-record.ts';
export { TensorBoardFile, type TensorBoardFileOptions } from './tensorboard-file.ts';
