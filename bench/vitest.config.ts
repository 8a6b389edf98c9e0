// `npm run bench`: measurements, as ratios within one run, that print a table and judge nothing.
import { mergeConfig } from 'vitest/config';
import tests from '../test/vitest.config.ts';

const config = mergeConfig(tests, {});
config.test!.include = ['bench/**/*.bench.ts'];
config.test!.reporters = ['default'];
config.test!.testTimeout = 3_600_000;

export default config;
