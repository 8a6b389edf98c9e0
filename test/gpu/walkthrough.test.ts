// The README's walk-through of bringing one's own kernel, run as a reader would: its very lines, by a shell, in a folder
// that looks like a checkout and takes the files that they make.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { gpuTest } from './page-client.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

gpuTest('README: bring your own kernel', async () => {
  const [, section] = /\n## Bring your own kernel\n([^]*?)\n## /.exec(fs.readFileSync(path.join(root, 'README.md'), 'utf8')) ?? [];
  const blocks = [...(section ?? '').matchAll(/```sh\n([^]*?)```/g)].map(([, lines]) => lines);
  expect(blocks).toHaveLength(2);
  expect(blocks[0].trimEnd().split('\n')).toHaveLength(5);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    for (const name of ['package.json', 'src', 'dist', 'node_modules']) fs.symlinkSync(path.join(root, name), path.join(folder, name));
    const shell = (lines: string) => spawnSync('sh', ['-e'], { cwd: folder, input: lines, encoding: 'utf8' });
    const run = shell(blocks[0]);
    expect({ status: run.status, stderr: run.stderr }).toMatchObject({ status: 0 });
    expect(run.stdout).toContain('right: exact');
    expect(run.stdout).toMatch(/kernel +mine\.wgsl/);
    const instrumented = shell(blocks[1]);
    expect({ status: instrumented.status, stderr: instrumented.stderr }).toMatchObject({ status: 0 });
    expect(instrumented.stdout).toContain('fn tw_main(');
    expect(fs.readFileSync(path.join(folder, 'mine.svg'), 'utf8')).toContain('</svg>');
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}, 180_000);
