/** Stands for `native-engine.ts` in a browser, where no C library can be called (`browser` in package.json). */
import type { Engine } from './session.ts';

/** @throws Error always */
export function nativeEngine(): Engine {
  throw new Error('a browser');
}
