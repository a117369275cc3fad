/** Parsers of option values for commander: each returns the value or says what was expected. */
import { InvalidArgumentError } from 'commander';

function parse(text: string, expected: string, accepts: (value: number) => boolean): number {
  const value = text.trim() === '' ? NaN : Number(text);
  if (!accepts(value)) throw new InvalidArgumentError(`expected ${expected}, got ${JSON.stringify(text)}`);
  return value;
}

export const whole = (text: string): number =>
  parse(text, 'a whole number from 0', (value) => Number.isSafeInteger(value) && value >= 0);
export const positiveWhole = (text: string): number =>
  parse(text, 'a whole number from 1', (value) => Number.isSafeInteger(value) && value >= 1);
export const integer = (text: string): number => parse(text, 'a whole number', Number.isSafeInteger);
export const positive = (text: string): number =>
  parse(text, 'a number above 0', (value) => Number.isFinite(value) && value > 0);
export const nonNegative = (text: string): number =>
  parse(text, 'a number from 0', (value) => Number.isFinite(value) && value >= 0);
export const fraction = (text: string): number =>
  parse(text, 'a number from 0 to 1', (value) => value >= 0 && value <= 1);
export const number = (text: string): number => parse(text, 'a number', (value) => Number.isFinite(value));

/** `1,2,3`, no number twice. */
export function wholeList(text: string): number[] {
  const values = text.split(',').map(whole);
  const twice = values.find((value, i) => values.indexOf(value) < i);
  if (twice !== undefined) throw new InvalidArgumentError(`expected different numbers, got ${twice} twice`);
  return values;
}
