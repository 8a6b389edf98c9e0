// Which browsers this machine has, in the order in which they are preferred: an explicit path (which
// excludes all others), PUPPETEER_EXECUTABLE_PATH, an installed Chrome or Chromium, puppeteer's cache, the
// packaged Chromium. Finding looks at files only; nothing is started, and nothing unpacked, here.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TilewireError } from '../errors.ts';
import { findPackagedChromium, unpackChromium } from './chromium.ts';

export type CandidateSource = '--browser' | 'PUPPETEER_EXECUTABLE_PATH' | 'installed' | "puppeteer's cache" | 'packaged';

export interface Candidate {
  readonly source: CandidateSource;
  /** What a reader calls it before it is ready: its path, or the package's name and version. */
  readonly label: string;
  /** Makes it ready to run, unpacking it when that is needed; `say` hears of long steps. */
  prepare(say: (line: string) => void): Promise<{ executable: string; env: Readonly<Record<string, string>> }>;
}

export function findCandidates(explicit?: string): Candidate[] {
  if (explicit !== undefined) {
    if (!isExecutable(explicit)) {
      throw new TilewireError('BAD_FLAG', 'no browser can be run from this path', {
        path: '--browser',
        actual: explicit,
        fix: 'give the path of a Chrome or Chromium executable, or leave the flag out to have one found',
      });
    }
    return [atPath('--browser', path.resolve(explicit))];
  }
  const fromEnvironment = process.env['PUPPETEER_EXECUTABLE_PATH'];
  const paths: Array<[CandidateSource, string]> = [
    ...(fromEnvironment ? [['PUPPETEER_EXECUTABLE_PATH', fromEnvironment] as [CandidateSource, string]] : []),
    ...installedPaths().map((file): [CandidateSource, string] => ['installed', file]),
    ...puppeteerCachePaths().map((file): [CandidateSource, string] => ["puppeteer's cache", file]),
  ];
  const seen = new Set<string>();
  const candidates: Candidate[] = [];
  for (const [source, file] of paths) {
    // A path that the user named is kept even when nothing is there, so that the tried list says so.
    if (source !== 'PUPPETEER_EXECUTABLE_PATH' && !isExecutable(file)) continue;
    const real = fs.existsSync(file) ? fs.realpathSync(file) : file;
    if (seen.has(real)) continue;
    seen.add(real);
    candidates.push(atPath(source, file));
  }
  const packaged = findPackagedChromium();
  if (packaged !== null) {
    candidates.push({
      source: 'packaged',
      label: `@sparticuz/chromium ${packaged.version}`,
      prepare: (say) => unpackChromium(packaged, (folder) => say(`unpacking the packaged Chromium into ${folder} (once) …`)),
    });
  }
  return candidates;
}

function atPath(source: CandidateSource, file: string): Candidate {
  return {
    source,
    label: file,
    async prepare() {
      if (!isExecutable(file)) throw new Error('no such executable file');
      return { executable: file, env: {} };
    },
  };
}

function isExecutable(file: string): boolean {
  try {
    fs.accessSync(file, fs.constants.X_OK);
    return fs.statSync(file).isFile();
  } catch {
    return false;
  }
}

function installedPaths(): string[] {
  const home = os.homedir();
  if (process.platform === 'darwin') {
    const inside = (app: string) => path.join('Applications', `${app}.app`, 'Contents', 'MacOS', app);
    return ['Google Chrome', 'Chromium', 'Google Chrome Canary', 'Microsoft Edge'].flatMap((app) => [path.join('/', inside(app)), path.join(home, inside(app))]);
  }
  if (process.platform === 'win32') {
    const roots = ['PROGRAMFILES', 'PROGRAMFILES(X86)', 'LOCALAPPDATA'].map((name) => process.env[name]).filter((root) => root !== undefined);
    const programs = ['Google\\Chrome\\Application\\chrome.exe', 'Chromium\\Application\\chrome.exe', 'Microsoft\\Edge\\Application\\msedge.exe'];
    return programs.flatMap((program) => roots.map((root) => path.join(root, program)));
  }
  const names = ['google-chrome-stable', 'google-chrome', 'chrome', 'chromium', 'chromium-browser'];
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  return [
    ...names.flatMap((name) => folders.map((folder) => path.join(folder, name))),
    '/opt/google/chrome/chrome',
    '/usr/lib/chromium/chromium',
    '/usr/lib/chromium-browser/chromium-browser',
    '/snap/bin/chromium',
  ];
}

/** `<cache>/<browser>/<platform>-<version>/<folder>/<executable>`, newest version first. */
function puppeteerCachePaths(): string[] {
  const cache = process.env['PUPPETEER_CACHE_DIR'] || path.join(os.homedir(), '.cache', 'puppeteer');
  const suffix = process.platform === 'win32' ? '.exe' : '';
  const chrome = process.platform === 'darwin' ? 'Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing' : `chrome${suffix}`;
  const byVersion = (a: string, b: string) => b.localeCompare(a, 'en', { numeric: true });
  return [
    ['chrome', chrome],
    ['chrome-headless-shell', `chrome-headless-shell${suffix}`],
  ].flatMap(([browser, executable]) =>
    folderNames(path.join(cache, browser!))
      .sort(byVersion)
      .flatMap((build) => {
        const folder = path.join(cache, browser!, build);
        return folderNames(folder).map((name) => path.join(folder, name, executable!));
      }),
  );
}

function folderNames(folder: string): string[] {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name);
}
