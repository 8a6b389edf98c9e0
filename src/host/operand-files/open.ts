// From what a user wrote after --a or --b to an open matrix: FILE.npy, FILE.safetensors#TENSOR, or
// FOLDER#TENSOR. Opening reads and checks headers only; values are read by ranges afterwards. Whatever is
// wrong with the file is a BAD_FILE that says what to do. The caller closes the matrix.
import path from 'node:path';
import { TilewireError } from '../../errors.ts';
import { diskFiles, notAFile, type Files } from './files.ts';
import { npyStorage } from './npy.ts';
import { namesLike, safetensorsStorage, tensorNames } from './safetensors.ts';
import { modelIn, shardOf } from './shards.ts';
import { storedMatrix, type MatrixFile } from './stored-matrix.ts';

/** How files of other kinds become one that is read. */
const CONVERSIONS: Readonly<Record<string, string>> = {
  '.npz': 'unpack it: each member is an .npy file (unzip FILE.npz)',
  '.pt': 'save it with safetensors.torch.save_file',
  '.pth': 'save it with safetensors.torch.save_file',
  '.bin': 'save it with safetensors.torch.save_file',
  '.gguf': 'use the .safetensors files of the same model',
};

export function openMatrix(reference: string, files: Files = diskFiles()): MatrixFile {
  const { place, tensor } = splitReference(reference, files);
  const folder = files.kind(place) === 'folder';
  const name = folder ? shardOf(files, place, tensor) : place;
  const extension = path.extname(name).toLowerCase();
  if (extension === '.npy' && tensor !== undefined) {
    throw new TilewireError('BAD_FILE', 'an .npy file holds one array, which has no name', { path: reference, actual: `#${tensor}`, fix: `write ${place}` });
  }
  if (extension !== '.npy' && extension !== '.safetensors') {
    throw new TilewireError('BAD_FILE', 'a kind of file that tilewire does not read', { path: name, actual: extension || 'no extension', limit: '.npy or .safetensors', fix: CONVERSIONS[extension] ?? 'save the matrix with np.save, or with the safetensors library' });
  }
  const file = files.open(name);
  try {
    const storage = extension === '.npy' ? npyStorage(files, file) : safetensorsStorage(files, file, tensor);
    const source = path.basename(path.resolve(place)) + (tensor === undefined ? '' : `#${tensor}`);
    return storedMatrix(files, file, storage, source, reference);
  } catch (error) {
    file.close();
    throw error;
  }
}

/**
 * `reference` with its tensor: where it names a folder or a .safetensors file alone, the one whose name ends in `suffix`, as a
 * config's weight does ({expert} is any number). BAD_FILE where several layers have one; left as it is where none has.
 */
export function withTensor(reference: string, suffix: string, files: Files = diskFiles()): string {
  const { place, tensor } = splitReference(reference, files);
  const folder = files.kind(place) === 'folder';
  if (tensor !== undefined || (!folder && path.extname(place).toLowerCase() !== '.safetensors')) return reference;
  const ending = new RegExp(`(^|\\.)${suffix.replaceAll('.', '\\.').replace('{expert}', '\\d+')}$`);
  const fitting = namesIn(place, files).filter((name) => ending.test(name));
  if (fitting.length > 1) {
    const shown = fitting.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true }));
    throw new TilewireError('BAD_FILE', `several tensors are that sub-layer's: say which`, { path: reference, actual: `${shown.length} whose names end in ${suffix}`, limit: namesLike(shown), fix: `write ${place}#${shown[0]!.slice(0, 200)}` });
  }
  return fitting.length === 1 ? `${place}#${fitting[0]!}` : reference;
}

function namesIn(place: string, files: Files): string[] {
  const model = files.kind(place) === 'folder' ? modelIn(files, place) : place;
  if (typeof model !== 'string') return [...model.shards.keys()];
  const file = files.open(model);
  try {
    return tensorNames(files, file);
  } finally {
    file.close();
  }
}

/** A file name may hold a # too: the place is the shortest beginning of the reference that exists. */
function splitReference(reference: string, files: Files): { place: string; tensor: string | undefined } {
  for (let hash = reference.indexOf('#'); hash !== -1; hash = reference.indexOf('#', hash + 1)) {
    if (found(reference.slice(0, hash), files)) return { place: reference.slice(0, hash), tensor: reference.slice(hash + 1) };
  }
  if (found(reference, files)) return { place: reference, tensor: undefined };
  const place = reference.includes('#') ? reference.slice(0, reference.indexOf('#')) : reference;
  throw new TilewireError('BAD_FILE', 'no such file', { path: reference, actual: place === '' ? 'no file named' : place, fix: 'write FILE.npy, FILE.safetensors#TENSOR or FOLDER#TENSOR' });
}

function found(place: string, files: Files): boolean {
  const kind = place === '' ? 'none' : files.kind(place);
  if (kind === 'other') throw notAFile(place);
  return kind !== 'none';
}
