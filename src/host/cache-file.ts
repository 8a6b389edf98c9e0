// Small files in the user's cache folder: each is written beside its place and renamed, so that a reader sees a whole one or none, and
// parallel writers replace each other's and never mix.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';

/** Temporary files of writers that were killed are removed after this long. */
const LEFTOVER_MS = 3_600_000;

/** @returns the file's path; throws what the file system has against it */
export function writeCacheFile(folder: string, name: string, content: unknown): string {
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  removeLeftovers(folder);
  const file = path.join(folder, name);
  const temporary = path.join(folder, `.${name}.${randomBytes(6).toString('hex')}.tmp`);
  try {
    fs.writeFileSync(temporary, `${JSON.stringify(content, null, 2)}\n`, { flag: 'wx', mode: 0o600 });
    fs.renameSync(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
  return file;
}

function removeLeftovers(folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    if (!name.endsWith('.tmp')) continue;
    const leftover = path.join(folder, name);
    const written = fs.statSync(leftover, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - written > LEFTOVER_MS) fs.rmSync(leftover, { force: true });
  }
}
