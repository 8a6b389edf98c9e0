// Kernels that enable what no adapter at hand may have, given to a real compiler all the same: Dawn's, whose null backend
// has every feature. As they are, and rewritten for tracking.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { INSTRUMENTED_ENTRY } from '../../src/gpu/instrument.ts';
import { kernelText } from '../../src/gpu/kernel-text.ts';
import { trackedText } from '../../src/gpu/tracked-text.ts';
import { kernelHash } from '../../src/spec/kernel-sources.ts';
import { KERNELS } from '../../src/spec/kernels.ts';
import { parseTile } from '../../src/spec/resolve.ts';
import type { Tile } from '../../src/spec/spec.ts';

interface Source {
  readonly label: string;
  readonly code: string;
  readonly entry: string;
}

const script = fileURLToPath(new URL('../support/dawn-null.mjs', import.meta.url));

function complaints(sources: readonly Source[]): string[] {
  const { stdout, stderr } = spawnSync(process.execPath, [script], { input: JSON.stringify(sources), encoding: 'utf8', maxBuffer: 2 ** 26 });
  const [, found] = /^complaints: (.*)$/m.exec(stdout) ?? [];
  if (found === undefined) throw new Error(`it ended early: ${stderr}`);
  return JSON.parse(found) as string[];
}

const SHAPES = [{ m: 64, n: 96, k: 64 }, { m: 37, n: 53, k: 29 }];
const TILES = ['16x32x16', '64x64x16', '64x128x32', '128x32x16'].map(parseTile);
/** The null backend's subgroups may be as large as this, and one that multiplies matrices must fill them. */
const LARGEST_SUBGROUP = 128;

test.each(KERNELS.filter(({ halves }) => halves))('$name compiles with all that it enables, plain and tracked', async (kernel) => {
  const sources: Source[] = [];
  const isTaken = (tile: Tile): boolean => kernel.tileProblem(tile) === undefined && (!kernel.needs.includes('matrices') || kernel.workgroupSize(tile)[0] % LARGEST_SUBGROUP === 0);
  for (const shape of SHAPES)
    for (const tile of TILES.filter(isTaken))
      for (const splits of [1, 3]) {
        const { name } = kernel;
        const text = kernelText({ kind: 'built-in', name, hash: (await kernelHash(name))!, tile, splits }, shape);
        const label = `${name} ${JSON.stringify({ shape, tile, splits })}`;
        sources.push({ label, code: text.code, entry: 'main' });
        for (const chunk of ['rows', 'columns'] as const) sources.push({ label: `${label} tracked`, code: trackedText(text, shape, 32, chunk, { slots: 2, op: 'mixed', where: 'ordered' }), entry: INSTRUMENTED_ENTRY });
      }
  expect(sources.length).toBeGreaterThan(8);
  expect(complaints(sources)).toEqual([]);
});

test('a kernel that does not compile is complained of', () => {
  const [one, ...others] = complaints([{ label: 'bad', code: 'enable f16;\n@compute @workgroup_size(1)\nfn main() {\n  let x: f32 = 1h;\n}', entry: 'main' }]);
  expect(one).toMatch(/^bad: line 4: /);
  expect(others.length).toBeLessThanOrEqual(2);
});
