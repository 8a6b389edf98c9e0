#!/usr/bin/env node
// Makes a checkout ready to run, with nothing but Node and npm: dependencies by `npm ci`, the bundles in
// dist/ by esbuild. Each step is skipped when a hash says that it is current, so a second run costs some
// milliseconds. An interrupted run leaves nothing that looks finished, and of two runs at once one waits.
// Plain JavaScript on Node's builtins alone, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const MINIMUM_NODE = [20, 19];
const HEARTBEAT_MS = 2_000;
const STALE_MS = 15_000;

const BUNDLES = [
  { entry: 'src/cli/main.ts', out: 'tilewire.js', platform: 'node', target: 'node20', packages: 'external', mode: 0o755 },
  { entry: 'src/page/browser.ts', out: 'page.js', platform: 'browser', target: 'es2023' },
  { entry: 'src/host/node-page.ts', out: 'node-page.js', platform: 'node', target: 'node20', external: ['webgpu'] },
  // Inlined into the page that `tilewire tiles --html` writes.
  { entry: 'src/page/tiles-map.ts', out: 'tiles-map.js', platform: 'browser', target: 'es2022', format: 'iife', minify: true, optional: true },
  // The same of `tilewire paper --html`.
  { entry: 'src/page/paper-charts.ts', out: 'paper-charts.js', platform: 'browser', target: 'es2022', format: 'iife', minify: true, optional: true },
  // And of `tilewire explain --html`.
  { entry: 'src/page/explain-charts.ts', out: 'explain-charts.js', platform: 'browser', target: 'es2022', format: 'iife', minify: true, optional: true },
  { entry: 'test/gpu/page.ts', out: 'test-page.js', platform: 'browser', target: 'es2023', optional: true },
  { entry: 'test/gpu/node-page.ts', out: 'node-test-page.js', platform: 'node', target: 'node20', external: ['webgpu'], optional: true },
  { entry: 'test/full/main.ts', out: 'test-full.js', platform: 'node', target: 'node20', packages: 'external', optional: true },
];

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const at = (...names) => path.join(root, ...names);
const say = (line) => process.stderr.write(`tilewire: ${line}\n`);

/** A failure whose message is all that the user needs. */
class SetupError extends Error {
  constructor(message, exitCode) {
    super(message);
    this.exitCode = exitCode;
  }
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor >= MINIMUM_NODE[1])) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old (limit: at least ${MINIMUM_NODE.join('.')})\n  fix: install a current Node, e.g. from nodejs.org or with your version manager`,
    3,
  );
}

// --- dependencies ------------------------------------------------------------------------------------

const installStamp = at('node_modules', '.tilewire-lock-hash');

function read(file) {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return undefined;
    throw error;
  }
}

/** Temp file and rename: a reader sees the old content or the new, never a half. */
function writeWhole(file, content, mode = 0o644) {
  const temporary = `${file}.${process.pid}.tmp`;
  fs.writeFileSync(temporary, content, { mode });
  fs.chmodSync(temporary, mode);
  fs.renameSync(temporary, file);
}

const lockHash = () => createHash('sha256').update(read(at('package-lock.json')) ?? '').digest('hex');
const dependenciesCurrent = () => read(installStamp) === lockHash();

/** Whether somebody else's `npm install` already put every locked package in place (npm's own record says so). */
function installedByHand() {
  const record = read(at('node_modules', '.package-lock.json'));
  if (record === undefined) return false;
  const wanted = JSON.parse(read(at('package-lock.json'))).packages;
  const present = JSON.parse(record).packages;
  return Object.entries(wanted).every(([where, { version, integrity, optional, devOptional }]) => {
    if (where === '' || optional || devOptional) return true;
    const found = present[where];
    return found?.version === version && found.integrity === integrity && fs.existsSync(at(where, 'package.json'));
  });
}

async function install() {
  if (installedByHand()) {
    writeWhole(installStamp, lockHash());
    return;
  }
  say('installing dependencies (npm ci) …');
  const started = Date.now();
  fs.rmSync(installStamp, { force: true });
  // Run by npm, its own script is known; else npm is looked up on the PATH.
  const npm = process.env.npm_execpath;
  const [command, args] = npm?.endsWith('.js') ? [process.execPath, [npm]] : [process.platform === 'win32' ? 'npm.cmd' : 'npm', []];
  const child = spawn(command, [...args, 'ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
    shell: command.endsWith('.cmd'),
  });
  const status = await new Promise((resolve, reject) => {
    child.once('error', (error) => reject(new SetupError(`npm could not be started: ${error.message}\n  fix: install npm (it comes with Node)`, 3)));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  if (status !== 0) {
    throw new SetupError(`npm ci failed (${status})\n  fix: see npm's message above; a network, proxy or registry setting is the usual cause`, 3);
  }
  writeWhole(installStamp, lockHash());
  say(`dependencies installed in ${seconds(started)}`);
}

// --- bundles -----------------------------------------------------------------------------------------

const buildStamp = at('dist', '.source-hash');

function sourceFiles(folder) {
  return fs
    .readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && /\.(ts|mjs|wgsl|json)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

function sourceHash() {
  const hash = createHash('sha256');
  const folders = ['src', 'shaders', 'test/gpu', 'test/full', 'test/support', 'test/gallery'].map((name) => at(name)).filter((folder) => fs.existsSync(folder));
  for (const file of [at('package.json'), at('package-lock.json'), ...folders.flatMap(sourceFiles).sort()]) {
    hash.update(path.relative(root, file)).update('\0').update(fs.readFileSync(file)).update('\0');
  }
  return hash.digest('hex');
}

const bundlesPresent = () => BUNDLES.every(({ entry, out }) => !fs.existsSync(at(entry)) || fs.existsSync(at('dist', out)));
const buildCurrent = () => bundlesPresent() && read(buildStamp) === sourceHash();

async function build() {
  say('building …');
  const started = Date.now();
  // Taken before the build: a file edited meanwhile makes the next run build again.
  const hash = sourceHash();
  const esbuild = await import(pathToFileURL(at('node_modules', 'esbuild', 'lib', 'main.js')).href);
  fs.mkdirSync(at('dist'), { recursive: true });
  const results = await Promise.all(
    BUNDLES.filter(({ entry, optional }) => !optional || fs.existsSync(at(entry))).map(async ({ entry, out, mode, optional, ...options }) => {
      void optional;
      const built = await esbuild
        .build({ absWorkingDir: root, entryPoints: [entry], outfile: `dist/${out}`, bundle: true, format: 'esm', charset: 'utf8', loader: { '.wgsl': 'text' }, write: false, logLevel: 'error', ...options })
        .catch(() => undefined); // esbuild has printed its errors
      return { entry, out, mode, content: built?.outputFiles[0].contents };
    }),
  );
  // Bundles that did build are written even when another failed; only the stamp says that all is current.
  for (const { out, mode, content } of results) if (content !== undefined) writeWhole(at('dist', out), content, mode);
  const failed = results.filter(({ content }) => content === undefined).map(({ entry }) => entry);
  if (failed.length > 0) throw new SetupError(`the build of ${failed.join(', ')} failed\n  fix: see esbuild's messages above`, 70);
  writeWhole(buildStamp, hash);
  say(`built in ${seconds(started)}`);
}

const seconds = (since) => `${((Date.now() - since) / 1000).toFixed(1)} s`;

// --- one at a time -----------------------------------------------------------------------------------

const lockFile = at('dist', '.setup-lock');

/** A lock file that its owner touches every two seconds; one that nobody has touched for long is a dead owner's. */
async function withLock(work) {
  fs.mkdirSync(at('dist'), { recursive: true });
  let told = false;
  for (;;) {
    try {
      fs.writeFileSync(lockFile, `${process.pid}\n`, { flag: 'wx' });
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    const age = Date.now() - (fs.statSync(lockFile, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > STALE_MS) {
      fs.rmSync(lockFile, { force: true });
    } else {
      if (!told) say('waiting for another set-up of this checkout …');
      told = true;
      await new Promise((resolve) => {
        setTimeout(resolve, 200);
      });
    }
  }
  const heartbeat = setInterval(() => {
    // It may be gone, when somebody emptied dist/ meanwhile.
    if (fs.existsSync(lockFile)) fs.utimesSync(lockFile, new Date(), new Date());
  }, HEARTBEAT_MS);
  const release = () => {
    clearInterval(heartbeat);
    fs.rmSync(lockFile, { force: true });
  };
  const interrupted = () => {
    release();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    await work();
  } finally {
    release();
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
  }
}

async function main() {
  checkNode();
  if (dependenciesCurrent() && buildCurrent()) return;
  await withLock(async () => {
    // Asked again under the lock: the one that we waited for has probably done the work.
    if (!dependenciesCurrent()) await install();
    if (!buildCurrent()) await build();
  });
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = error.exitCode;
}
