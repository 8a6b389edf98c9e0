// Files in memory behind the readers' own door, with a count of everything that passes it. A read outside a
// file, or an allocation beyond the bound, fails the test there and then, as no BAD_FILE: the code under
// test cannot swallow it.
import { TilewireError } from '../../../src/errors.ts';
import type { Files } from '../../../src/host/operand-files/files.ts';

export class OutOfBounds extends Error {}

export interface CountedFiles extends Files {
  readonly reads: { path: string; position: number; length: number }[];
  bytesRead(): number;
  readonly allocations: number[];
  stillOpen(): number;
}

/** `largest`: bytes of the largest allocation that the test allows. */
export function countedFiles(contents: Record<string, Uint8Array>, largest = Infinity): CountedFiles {
  const reads: CountedFiles['reads'] = [];
  const allocations: number[] = [];
  let open = 0;
  return {
    reads,
    allocations,
    bytesRead: () => reads.reduce((sum, { length }) => sum + length, 0),
    stillOpen: () => open,
    kind(path) {
      if (Object.hasOwn(contents, path)) return 'file';
      return Object.keys(contents).some((name) => name.startsWith(`${path}/`)) ? 'folder' : 'none';
    },
    open(path) {
      const bytes = Object.hasOwn(contents, path) ? contents[path] : undefined;
      if (!bytes) throw new TilewireError('BAD_FILE', 'no such file in memory', { path, fix: 'none' });
      open++;
      let closed = false;
      return {
        path,
        size: bytes.length,
        read(target, position) {
          if (closed) throw new OutOfBounds(`read of ${path} after close`);
          if (!Number.isSafeInteger(position) || position < 0 || position + target.length > bytes.length) {
            throw new OutOfBounds(`read of ${target.length} bytes at ${position} of ${path}, which has ${bytes.length}`);
          }
          reads.push({ path, position, length: target.length });
          target.set(bytes.subarray(position, position + target.length));
        },
        close() {
          if (!closed) open--;
          closed = true;
        },
      };
    },
    allocate(bytes, path) {
      if (!Number.isSafeInteger(bytes) || bytes < 0 || bytes > largest) throw new OutOfBounds(`allocation of ${bytes} bytes for ${path}, bound ${largest}`);
      allocations.push(bytes);
      return new ArrayBuffer(bytes);
    },
  };
}
