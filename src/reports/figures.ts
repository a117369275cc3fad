/** Numbers as readers of a report see them. */

/** Four significant digits: `81.23`, `0.0123`, `3e-5`. */
export function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return 'not finite';
  if (value !== 0 && Math.abs(value) < 1e-3) return Number(value.toPrecision(3)).toExponential();
  return Math.abs(value) >= 1e4 ? grouped(Math.round(value)) : String(Number(value.toPrecision(4)));
}

/** `12,345` */
export const grouped = (value: number): string => value.toLocaleString('en-US', { maximumFractionDigits: 0 });

/** `820 kB`, `1.34 GB`, in powers of 1000. */
export function megabytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3));
  return `${Number((bytes / 1000 ** power).toPrecision(3))} ${units[power]!}`;
}

/** `48 s`, `9 min 5 s`, `41 min`, `3 h 20 min` */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 3600) return `${Math.round(whole / 60)} min`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
}
