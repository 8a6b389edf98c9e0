// Ends the output of a test run with what a reader must know: how many GPU tests ran and on which adapter,
// and, as the very last line, `N passed, N failed, N skipped`. A suite that was green while running nothing
// must not look like one that passed.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Reporter, TestCase, TestModule } from 'vitest/node';
import type { GpuProvision } from './gpu/global-setup.ts';

const GPU_FILE = fileURLToPath(new URL('../node_modules/.tilewire-gpu.json', import.meta.url));

export interface Tally {
  passed: number;
  failed: number;
  skipped: number;
}

export default class TallyReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const all = tally(modules, unhandledErrors.length);
    const gpu = tally(modules.filter(({ moduleId }) => /[\\/]test[\\/]gpu[\\/]/.test(moduleId)), 0);
    console.log(`${gpuLine(gpu, readProvision())}\n${tallyLine(all)}`);
  }
}

/** A file that could not be loaded, and an error outside every test, count as failures. */
export function tally(modules: readonly TestModule[], errors: number): Tally {
  const sum: Tally = { passed: 0, failed: errors, skipped: 0 };
  for (const module of modules) {
    const tests: TestCase[] = [...module.children.allTests()];
    for (const test of tests) {
      const { state } = test.result();
      // A test that never ended has not passed.
      if (state === 'passed') sum.passed++;
      else if (state === 'skipped') sum.skipped++;
      else sum.failed++;
    }
    // A hook that failed leaves its tests skipped or failed; where it left none failed, it is a failure itself.
    const broken = [module, ...module.children.allSuites()].some((suite) => suite.errors().length > 0);
    if (broken && !tests.some((test) => test.result().state === 'failed')) sum.failed++;
  }
  return sum;
}

export function tallyLine({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

export function gpuLine({ passed, failed, skipped }: Tally, provision: GpuProvision | null): string {
  const ran = passed + failed;
  if (provision === null) return `GPU tests: ${ran} ran; no session was opened`;
  if ('missing' in provision) return `GPU tests: none ran (${failed} failed, ${skipped} skipped): ${provision.missing}`;
  return `GPU tests: ${ran} ran on ${provision.adapter}${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function readProvision(): GpuProvision | null {
  try {
    return JSON.parse(fs.readFileSync(GPU_FILE, 'utf8')) as GpuProvision;
  } catch {
    return null; // global set-up failed or did not run
  }
}
