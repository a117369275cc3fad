/** Functions that float64 references need and JavaScript lacks. */

/**
 * The error function, to about 1e-15: erf x = 2/√π exp(-x²) Σ 2ⁿ x²ⁿ⁺¹ / (2n + 1)!! (Abramowitz and Stegun 7.1.6, whose
 * terms all have one sign). Beyond 6 it differs from ±1 by less than 2e-17.
 */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** The distribution function of the standard normal, Φ. */
export const normalDistribution = (x: number): number => (1 + erf(x * Math.SQRT1_2)) / 2;

/** The density of the standard normal, φ. */
export const normalDensity = (x: number): number => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

/** x Φ(x) (Hendrycks and Gimpel, 2016). */
export const gelu = (x: number): number => x * normalDistribution(x);

/** Φ(x) + x φ(x). */
export const geluDerivative = (x: number): number => normalDistribution(x) + x * normalDensity(x);

/** exp(x_i) / Σ exp(x_j), in place of x. */
export function softmaxInPlace(x: Float64Array): void {
  let largest = -Infinity;
  for (const value of x) largest = Math.max(largest, value);
  let total = 0;
  for (let i = 0; i < x.length; i++) {
    x[i] = Math.exp(x[i]! - largest);
    total += x[i]!;
  }
  for (let i = 0; i < x.length; i++) x[i]! /= total;
}

/** log Σ exp(x_i). */
export function logSumExp(x: Float64Array): number {
  let largest = -Infinity;
  for (const value of x) largest = Math.max(largest, value);
  let total = 0;
  for (const value of x) total += Math.exp(value - largest);
  return largest + Math.log(total);
}

/** The mean, and 1 / √(variance + ε), of numbers: what layer normalisation divides by (Ba et al., 2016). */
export function moments(x: Float64Array, epsilon: number): { mean: number; inverseDeviation: number } {
  let mean = 0;
  for (const value of x) mean += value / x.length;
  let variance = 0;
  for (const value of x) variance += (value - mean) ** 2 / x.length;
  return { mean, inverseDeviation: 1 / Math.sqrt(variance + epsilon) };
}
