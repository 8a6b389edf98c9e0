import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: new URL('..', import.meta.url).pathname,
  plugins: [
    {
      name: 'wgsl-as-text',
      transform(code, id) {
        return id.endsWith('.wgsl') ? { code: `export default ${JSON.stringify(code)};`, map: null } : undefined;
      },
    },
  ],
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/gpu/global-setup.ts'],
    setupFiles: ['test/fast-check-seed.ts'],
    reporters: ['default', './test/reporter.ts'],
    // GPU tests share one browser and one serial adapter; two at once would only fight for it.
    fileParallelism: false,
    testTimeout: 120_000,
  },
});
