// Ctrl-C in the middle of a run: the CLI ends with 130, its browser with it, and nothing is left behind.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { gpuOrSkip, testBackend } from './page-client.ts';

const cli = fileURLToPath(new URL('../../dist/tilewire.js', import.meta.url));

/** Processes whose command line holds `text`; the browser's has its profile folder, that of a child process its bundle. */
function processesWith(text: string): string[] {
  return commandLines().filter((line) => line.includes(text));
}

/** A bare machine has no `ps`. */
function commandLines(): string[] {
  if (process.platform !== 'linux') return execFileSync('ps', ['-A', '-o', 'pid=,args='], { encoding: 'utf8' }).split('\n');
  return fs.readdirSync('/proc').flatMap((name) => {
    try {
      return /^\d+$/.test(name) ? [fs.readFileSync(`/proc/${name}/cmdline`, 'utf8')] : [];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

test.runIf(process.platform !== 'win32').for(['SIGINT', 'SIGTERM'] as const)('%s', async (signal, context) => {
  gpuOrSkip(context);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  try {
    const json = path.join(folder, 'report.json');
    // Minutes of work on the software adapter: it is the signal that ends it.
    const args = ['run', '--m', '4096', '--n', '4096', '--k', '512', '--devices', '8', '--json', json];
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TMPDIR: folder } });
    let stderr = '';
    const working = new Promise<void>((resolve) => {
      child.stderr.on('data', (data: Buffer) => {
        stderr += data.toString();
        if (stderr.includes('running')) resolve();
      });
    });
    const ended = new Promise<number | null>((resolve) => {
      child.on('close', resolve);
    });
    await working;
    const mark = testBackend() === 'node' ? path.join(path.dirname(cli), 'node-page.js') : folder;
    expect(processesWith(mark).length).toBeGreaterThan(0);
    child.kill(signal);
    expect(await ended).toBe(130);
    expect(stderr).toContain(`interrupted by ${signal}`);
    await expect.poll(() => processesWith(mark)).toEqual([]);
    expect(fs.readdirSync(folder)).toEqual([]);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
