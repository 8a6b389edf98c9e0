// The user's two matrices together: opened, held against each other, and read once for their hashes, which finds what is not
// finite. Whatever is wrong with them is said by then, but for files that change afterwards: they stay open until every
// device has had its slice.
import type { FileOperands } from '../../spec/resolve.ts';
import type { Layout } from '../../spec/spec.ts';
import { diskFiles, type Files } from './files.ts';
import { openMatrix } from './open.ts';
import { resolveShapes, slicesOf, type DeviceSlices } from './slice.ts';
import type { MatrixFile } from './stored-matrix.ts';

export interface OpenOperands {
  /** What a Spec says of them. */
  readonly facts: FileOperands;
  /** Closing the slices closes the files. */
  slices(devices: number): DeviceSlices;
}

/** `a` and `b` as the user wrote them after --a and --b. */
export async function openOperands(a: string, b: string, layout: Layout, files: Files = diskFiles()): Promise<OpenOperands> {
  const opened: MatrixFile[] = [];
  const open = (reference: string): MatrixFile => {
    const matrix = openMatrix(reference, files);
    opened.push(matrix);
    return matrix;
  };
  const close = () => opened.forEach((matrix) => matrix.close());
  try {
    const fileA = open(a);
    const fileB = open(b);
    const shapes = resolveShapes(fileA, fileB, layout);
    const facts: FileOperands = { ...shapes, a: { source: fileA.source, hash: await fileA.hash() }, b: { source: fileB.source, hash: await fileB.hash() }, layout };
    return { facts, slices: (devices) => ({ ...slicesOf(fileA, fileB, layout, devices), close }) };
  } catch (error) {
    close();
    throw error;
  }
}
