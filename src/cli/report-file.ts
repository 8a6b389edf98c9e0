// The file that --json (or another flag) writes. Everything that could refuse it is checked before the run that it reports on;
// it is written whole, to a temporary name beside it and renamed, so nothing half-written is left behind.
import fs from 'node:fs';
import path from 'node:path';
import { TilewireError } from '../errors.ts';

export interface ReportFile {
  write(text: string): void;
}

/** Checks that `file` can be written; `force` lets it replace a regular file. */
export function claimReportFile(file: string, force: boolean, flag = '--json'): ReportFile {
  const refuse = (code: 'FILE_EXISTS' | 'BAD_FILE', what: string, fix: string) => new TilewireError(code, what, { path: flag, actual: file, fix });
  const existing = fs.statSync(file, { throwIfNoEntry: false });
  if (existing !== undefined && !existing.isFile()) throw refuse('BAD_FILE', 'this is not a regular file', 'give the name of a file');
  if (existing !== undefined && !force) throw refuse('FILE_EXISTS', 'this file exists', 'give another name, or --force to replace it');
  // A link is followed: the file that it names is replaced, not the link.
  const target = existing === undefined ? path.resolve(file) : fs.realpathSync(file);
  const folder = path.dirname(target);
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw refuse('BAD_FILE', 'the folder of this file does not exist', `create ${folder} first`);
  try {
    fs.accessSync(folder, fs.constants.W_OK);
  } catch {
    throw refuse('BAD_FILE', 'the folder of this file cannot be written to', 'choose another folder');
  }
  return {
    write(text) {
      const temporary = path.join(folder, `.${path.basename(target)}.${process.pid}.tmp`);
      try {
        fs.writeFileSync(temporary, text, { flag: 'wx' });
        // Somebody may have made the file while the run went on: linking refuses where renaming would replace.
        if (force) fs.renameSync(temporary, target);
        else linkOrRename(temporary, target);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'EEXIST') throw refuse('FILE_EXISTS', 'this file was made while the run went on', 'give another name, or --force to replace it');
        throw refuse('BAD_FILE', `the file could not be written: ${String(error)}`, 'choose another place');
      } finally {
        fs.rmSync(temporary, { force: true });
      }
    },
  };
}

/** A file system without hard links gets the rename. */
function linkOrRename(from: string, to: string): void {
  try {
    fs.linkSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error;
    fs.renameSync(from, to);
  }
}
