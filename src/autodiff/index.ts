export { gradient, type GradientOptions } from './gradient.ts';
