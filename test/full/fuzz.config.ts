// The long run of the fuzzer, with which `npm run test:full` begins: 10,000 broken files of each kind (FUZZ=n for another
// number, FUZZ_SEED=n for others). No browser is needed. What came of it is printed, and kept for the table of the grid.
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import base from '../vitest.config.ts';

export default defineConfig({
  ...base,
  test: {
    include: ['test/host/operand-files/fuzz.test.ts'],
    env: { FUZZ: process.env['FUZZ'] ?? '10000', FUZZ_OUTCOME: fileURLToPath(new URL('../../dist/full-fuzz.txt', import.meta.url)) },
  },
});
