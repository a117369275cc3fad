import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // onnxruntime-node is a native addon: one process per worker, and few of them, since it is itself threaded.
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
  },
});
