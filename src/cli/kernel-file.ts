// `--kernel FILE.wgsl [--entry NAME] [--bindings FILE.json]`: a kernel that is not ours, read with its bindings file (by
// default the one beside it with the same name, where there is one) and completed by what its text tells.
import fs from 'node:fs';
import path from 'node:path';
import { TilewireError } from '../errors.ts';
import { completeBindings } from '../gpu/foreign.ts';
import { diskFiles, type Files } from '../host/operand-files/files.ts';
import { readJson } from '../host/operand-files/strict-json.ts';
import { parseBindings, type BindingsFile } from '../spec/kernel-bindings.ts';
import type { SpecRequest } from '../spec/resolve.ts';

/** No shader that a person writes is longer. */
const MOST_BYTES = 1_000_000;
const MOST_BINDINGS_BYTES = 100_000;

/** @param flag what the file is called in an error */
export function readKernel(file: string, entry: string | undefined, bindings: string | undefined, flag = '--kernel'): NonNullable<SpecRequest['foreign']> {
  const source = readText(file, flag);
  const beside = file.replace(/\.wgsl$/, '.json');
  const from = bindings ?? (beside !== file && fs.existsSync(beside) ? beside : undefined);
  const given = from === undefined ? {} : readBindings(from);
  const complete = completeBindings(source, given, entry);
  return { name: path.basename(file), source, ...complete };
}

function readText(file: string, flag: string): string {
  try {
    const { size } = fs.statSync(file);
    if (size > MOST_BYTES) throw new TilewireError('BAD_FILE', 'this file is too long', { path: flag, actual: `${file}: ${size} bytes`, limit: `${MOST_BYTES} bytes`, fix: 'give a WGSL or JSON file' });
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof TilewireError) throw error;
    throw new TilewireError('BAD_FILE', 'this file cannot be read', { path: flag, actual: `${file}: ${(error as NodeJS.ErrnoException).code ?? String(error)}`, fix: 'give the name of a file' });
  }
}

/** @throws BAD_FILE */
export function readBindings(path: string, files: Files = diskFiles()): BindingsFile {
  const fix = 'see `tilewire run --help` for a bindings file';
  const file = files.open(path);
  try {
    if (file.size > MOST_BINDINGS_BYTES) throw new TilewireError('BAD_FILE', 'this file is too long', { path, actual: `${file.size} bytes`, limit: `${MOST_BINDINGS_BYTES} bytes` });
    return parseBindings(readJson(files, file, 0, file.size), path);
  } catch (error) {
    throw error instanceof TilewireError && error.code === 'BAD_FILE' ? new TilewireError(error.code, error.what, { ...error.fields, fix: error.fields.lines === undefined ? fix : error.fields.fix! }) : error;
  } finally {
    file.close();
  }
}
