// Kernels that cannot be tracked, each refused with its code, line and reason, and with what would make it trackable; none
// of them runs, hangs or gives a wrong result instead.
import fs from 'node:fs';
import { expect } from 'vitest';
import { TilewireError, type ErrorRecord } from '../../src/errors.ts';
import type { Outcome, RunResult } from '../../src/page/api.ts';
import { completeBindings } from '../../src/gpu/foreign.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { parseBindings } from '../../src/spec/kernel-bindings.ts';
import { resolveDraft } from '../../src/spec/resolve.ts';
import { gpuTest } from './page-client.ts';

const folder = new URL('../gallery/refused/', import.meta.url);
interface Expected {
  readonly code: string;
  /** Several where one compiler names this line and another that. */
  readonly line?: number | readonly number[];
  readonly what: string;
  /** m, n, k at which it goes wrong; any will do where it is left out. */
  readonly shape?: readonly [number, number, number];
}

for (const file of fs.readdirSync(folder).filter((name) => name.endsWith('.wgsl'))) {
  const source = fs.readFileSync(new URL(file, folder), 'utf8');
  const { expect: expected, ...json } = JSON.parse(fs.readFileSync(new URL(file.replace('.wgsl', '.json'), folder), 'utf8')) as { expect: Expected };
  const [m, n, k] = expected.shape ?? [20, 24, 9];
  gpuTest(`${file} is refused: ${expected.what}`, async (page) => {
    let record: ErrorRecord | undefined;
    try {
      const spec = await resolveDraft({ m, n, k, devices: 3, foreign: { name: file, source, ...completeBindings(source, parseBindings(json, file), undefined) } });
      kernelText(spec.kernel, spec.gemm);
      const outcome: Outcome<RunResult> = await page.evaluate((job) => window.tilewire.run(job), { spec, baseline: false, memoryLimit: 2 ** 28 });
      if (!outcome.ok) record = outcome.error;
    } catch (error) {
      if (!(error instanceof TilewireError)) throw error;
      record = error.toRecord();
    }
    expect(record, 'it was accepted').toBeDefined();
    expect(record!.code).toBe(expected.code);
    expect(record!.what.toLowerCase()).toContain(expected.what.toLowerCase());
    if (expected.line !== undefined) expect([expected.line].flat().map((line) => `line ${line}`)).toContain(record!.fields.path);
    expect(record!.fields.fix ?? record!.fields.actual).toBeTruthy();
  });
}
