// setup.mjs in a small checkout of its own: npm is a stand-in that records its calls, esbuild the real one.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

let folder: string;
const at = (name: string) => path.join(folder, name);
const text = (name: string) => fs.readFileSync(at(name), 'utf8');

function write(name: string, content: string): void {
  fs.mkdirSync(path.dirname(at(name)), { recursive: true });
  fs.writeFileSync(at(name), content);
}

const lock = (version: string) => JSON.stringify({ packages: { '': {}, 'node_modules/thing': { version, integrity: version }, 'node_modules/fsevents': { version: '1.0.0', optional: true } } });

/** Does what npm ci does to the folder, slowly, and counts. */
const NPM = `
const fs = require('fs'), path = require('path');
fs.appendFileSync('calls', process.argv.slice(2).join(' ') + '\\n');
fs.rmSync('node_modules/.package-lock.json', { force: true });
setTimeout(() => {
  if (fs.existsSync('npm-fails')) process.exit(7);
  fs.mkdirSync('node_modules/thing', { recursive: true });
  fs.writeFileSync('node_modules/thing/package.json', '{}');
  for (const name of ['esbuild', '@esbuild']) if (!fs.existsSync('node_modules/' + name)) fs.symlinkSync(path.join(${JSON.stringify(root)}, 'node_modules', name), 'node_modules/' + name);
  fs.copyFileSync('package-lock.json', 'node_modules/.package-lock.json');
}, 300);
`;

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  fs.mkdirSync(at('src/host'), { recursive: true });
  fs.copyFileSync(path.join(root, 'src/host/setup.mjs'), at('src/host/setup.mjs'));
  write('package-lock.json', lock('1.0.0'));
  write('npm-stand-in.js', NPM);
  write('node_modules/package.json', '{}');
  write('src/cli/main.ts', '#!/usr/bin/env node\nimport x from "../../shaders/x.wgsl";\nconst answer: string = "cli " + x;\nconsole.log(answer);\n');
  write('src/page/browser.ts', 'console.log("page" as string);\n');
  write('src/host/node-page.ts', 'console.log("page in Node" as string);\n');
  write('shaders/x.wgsl', 'fn x() {}');
  write('package.json', '{}');
});
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));

function setup(): Promise<{ status: number | null; stderr: string }> {
  const child = spawn(process.execPath, [at('src/host/setup.mjs')], { cwd: os.tmpdir(), env: { ...process.env, npm_execpath: at('npm-stand-in.js') } });
  let stderr = '';
  child.stderr.on('data', (data: Buffer) => {
    stderr += data.toString();
  });
  return new Promise((resolve) => {
    child.on('close', (status) => resolve({ status, stderr }));
  });
}

const calls = () => (fs.existsSync(at('calls')) ? text('calls').trim().split('\n') : []);

test('a fresh checkout is installed and built; the next run does nothing', async () => {
  const first = await setup();
  expect(first).toMatchObject({ status: 0 });
  expect(calls()).toEqual(['ci --include=dev --no-audit --no-fund --loglevel=error']);
  expect(text('dist/tilewire.js').startsWith('#!/usr/bin/env node\n')).toBe(true);
  expect(text('dist/tilewire.js')).toContain('fn x() {}');
  expect(fs.statSync(at('dist/tilewire.js')).mode & 0o111).not.toBe(0);
  expect(text('dist/page.js')).toContain('"page"');
  expect(text('dist/node-page.js')).toContain('"page in Node"');
  expect(fs.existsSync(at('dist/test-page.js'))).toBe(false);
  expect(fs.readdirSync(at('dist')).sort()).toEqual(['.source-hash', 'node-page.js', 'page.js', 'tilewire.js']);

  expect(await setup()).toEqual({ status: 0, stderr: '' });
  expect(calls()).toHaveLength(1);
});

test('a change of a source, a shader or a missing bundle builds again, and only that', async () => {
  await setup();
  write('shaders/x.wgsl', 'fn y() {}');
  expect((await setup()).stderr).toContain('built in');
  expect(text('dist/tilewire.js')).toContain('fn y() {}');
  fs.rmSync(at('dist/page.js'));
  expect((await setup()).stderr).toContain('built in');
  write('test/gpu/page.ts', 'console.log("test page");');
  await setup();
  expect(text('dist/test-page.js')).toContain('test page');
  expect(calls()).toHaveLength(1);
});

test('a changed lock file, or a package that it does not name, installs again', async () => {
  await setup();
  write('package-lock.json', lock('2.0.0'));
  expect((await setup()).stderr).toContain('installing');
  expect(calls()).toHaveLength(2);
});

test('dependencies that somebody installed by hand are not installed again; an interrupted installation is', async () => {
  await setup();
  fs.rmSync(at('node_modules/.tilewire-lock-hash'));
  expect(await setup()).toEqual({ status: 0, stderr: '' });
  expect(calls()).toHaveLength(1);
  // npm writes its record last: without it the folder is a half.
  fs.rmSync(at('node_modules/.tilewire-lock-hash'));
  fs.rmSync(at('node_modules/.package-lock.json'));
  await setup();
  expect(calls()).toHaveLength(2);
});

test('when npm fails, that is said with exit status 3, and the next run tries again', async () => {
  write('npm-fails', '');
  const failed = await setup();
  expect(failed.status).toBe(3);
  expect(failed.stderr).toContain('npm ci failed (7)');
  expect(failed.stderr).toContain('fix:');
  fs.rmSync(at('npm-fails'));
  expect((await setup()).status).toBe(0);
});

test('a source that does not build is said; the other bundle and the old one stay; the next run builds again', async () => {
  await setup();
  write('src/cli/main.ts', 'const = ;');
  const failed = await setup();
  expect(failed.status).toBe(70);
  expect(failed.stderr).toContain('the build of src/cli/main.ts failed');
  expect(text('dist/tilewire.js')).toContain('fn x() {}');
  expect((await setup()).status).toBe(70);
});

test('two at once: one installs and builds, the other waits for it', async () => {
  const [a, b] = await Promise.all([setup(), setup()]);
  expect([a.status, b.status]).toEqual([0, 0]);
  expect(calls()).toHaveLength(1);
  expect(`${a.stderr}${b.stderr}`.match(/built in/g)).toHaveLength(1);
  expect(`${a.stderr}${b.stderr}`).toContain('waiting for another set-up');
});

test('the lock of a set-up that was killed does not stop the next one', async () => {
  write('dist/.setup-lock', '1\n');
  const longAgo = new Date(Date.now() - 60_000);
  fs.utimesSync(at('dist/.setup-lock'), longAgo, longAgo);
  expect((await setup()).status).toBe(0);
  expect(fs.existsSync(at('dist/.setup-lock'))).toBe(false);
});

test('an old Node is told so before anything else', async () => {
  const source = text('src/host/setup.mjs').replace('process.versions.node.split', "'18.20.1'.split");
  write('src/host/setup.mjs', source);
  const { status, stderr } = await setup();
  expect(status).toBe(3);
  expect(stderr).toContain('too old (limit: at least 20.19)');
  expect(calls()).toEqual([]);
});
