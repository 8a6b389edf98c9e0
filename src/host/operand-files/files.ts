// The only door from the operand readers to the disk and to memory: ranges of regular files, and the arrays
// that hold them. A read outside a file never reaches the system, a file that is written to while it is open
// is an error (its hash may have been taken already), a pipe or a device is never opened, and nothing larger
// than the limit is allocated. Tests put another layer here that keeps its files in memory and counts what is
// asked of it.
import { constants } from 'node:buffer';
import fs from 'node:fs';
import { bug, TilewireError } from '../../errors.ts';

export interface OpenFile {
  readonly path: string;
  readonly size: number;
  /** Fills `target` with the bytes that start at `position`. */
  read(target: Uint8Array, position: number): void;
  close(): void;
}

export interface Files {
  kind(path: string): 'file' | 'folder' | 'other' | 'none';
  open(path: string): OpenFile;
  /** Zeroed memory; MEMORY_LIMIT, blaming `path`, where it is more than the layer gives at once. */
  allocate(bytes: number, path: string): ArrayBuffer;
}

/** What one array may take: Node 20 makes none beyond 4 GiB, whatever the machine has. */
export const LARGEST_ARRAY_BYTES = Math.min(constants.MAX_LENGTH, 2 ** 32);

/** Files on disk; no single array larger than `limitBytes`. */
export function diskFiles(limitBytes: number = LARGEST_ARRAY_BYTES): Files {
  return {
    kind(path) {
      try {
        const stat = fs.statSync(path);
        return stat.isFile() ? 'file' : stat.isDirectory() ? 'folder' : 'other';
      } catch (error) {
        // A name with a NUL, one that is too long, a file taken for a folder, a folder that may not be searched.
        if ((error as NodeJS.ErrnoException).code === 'EACCES') throw unreadable(path, error);
        return 'none';
      }
    },
    open(path) {
      let descriptor: number;
      try {
        // Without O_NONBLOCK, a pipe that took the file's place would be waited for.
        descriptor = fs.openSync(path, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
      } catch (error) {
        throw unreadable(path, error);
      }
      const stat = fs.fstatSync(descriptor);
      if (!stat.isFile()) {
        fs.closeSync(descriptor);
        throw notAFile(path);
      }
      return openFile(path, stat, descriptor);
    },
    allocate(bytes, path) {
      if (bytes > limitBytes) {
        throw new TilewireError('MEMORY_LIMIT', 'this needs more memory at once than may be taken', {
          path,
          actual: `${bytes} bytes`,
          limit: `${limitBytes} bytes`,
          fix: 'spread the operands over more devices, or save a smaller matrix',
        });
      }
      return new ArrayBuffer(bytes);
    },
  };
}

function openFile(path: string, { size, mtimeMs }: fs.Stats, descriptor: number): OpenFile {
  let open = true;
  return {
    path,
    size,
    read(target, position) {
      if (!open) throw bug('a read from a closed file', { path });
      if (position < 0 || position + target.length > size) throw bug('a read outside the file', { path, actual: `${position} + ${target.length}`, limit: size });
      for (let filled = 0; filled < target.length; ) {
        let got: number;
        try {
          got = fs.readSync(descriptor, target, filled, Math.min(target.length - filled, 2 ** 30), position + filled);
        } catch (error) {
          throw unreadable(path, error);
        }
        if (got === 0) {
          throw new TilewireError('BAD_FILE', 'the file became shorter while it was read', { path, actual: `ends at ${position + filled}`, limit: `${size} bytes`, fix: 'let whatever writes it finish, then run again' });
        }
        filled += got;
      }
      if (fs.fstatSync(descriptor).mtimeMs !== mtimeMs) {
        throw new TilewireError('BAD_FILE', 'the file was changed while it was read', { path, actual: 'written to since it was opened', limit: 'unchanged until all of it is read', fix: 'let whatever writes it finish, then run again' });
      }
    },
    close() {
      if (open) fs.closeSync(descriptor);
      open = false;
    },
  };
}

function unreadable(path: string, error: unknown): TilewireError {
  return new TilewireError('BAD_FILE', 'the file cannot be read', { path, actual: error instanceof Error ? error.message : String(error), fix: 'check the path and its permissions' });
}

export function notAFile(path: string): TilewireError {
  return new TilewireError('BAD_FILE', 'not a regular file', { path, actual: 'a pipe, socket or device', fix: 'write it to a file first: operands are read by ranges' });
}
