// A folder of `.safetensors` shards: which file holds a tensor. `model.safetensors.index.json` says so where
// there is one; a lone `model.safetensors` needs none. The index names files of its own folder and nothing
// else: a path in it is refused, whatever it points to.
import path from 'node:path';
import { TilewireError } from '../../errors.ts';
import type { Files } from './files.ts';
import { brief, isRecord, namesLike } from './safetensors.ts';
import { readJsonFile } from './strict-json.ts';

const INDEX = 'model.safetensors.index.json';
const SINGLE = 'model.safetensors';

/** Path of the shard that holds `tensor`. */
export function shardOf(files: Files, folder: string, tensor: string | undefined): string {
  const model = modelIn(files, folder);
  if (typeof model === 'string') return model;
  const { index, shards } = model;
  const shard = tensor === undefined ? undefined : shards.get(tensor);
  if (shard === undefined) {
    const first = shards.keys().next().value;
    throw refuse(index, tensor === undefined ? 'the folder holds many tensors: say which' : 'the model holds no such tensor', tensor ?? 'no tensor named', namesLike([...shards.keys()], tensor), `write ${folder}#${first?.slice(0, 200) ?? 'TENSOR'}`);
  }
  const file = path.join(folder, shard);
  if (files.kind(file) !== 'file') throw refuse(file, 'a shard of the model is missing', 'no such file', `named by ${INDEX}`, 'fetch the shard, or name another tensor');
  return file;
}

/** Its only file, or the shard of each tensor by the index. */
export function modelIn(files: Files, folder: string): string | { readonly index: string; readonly shards: ReadonlyMap<string, string> } {
  const index = path.join(folder, INDEX);
  if (files.kind(index) !== 'file') {
    const single = path.join(folder, SINGLE);
    if (files.kind(single) === 'file') return single;
    throw refuse(folder, 'the folder holds no safetensors model', `no ${INDEX}`, `${INDEX} or ${SINGLE}`, 'name one file: FOLDER/FILE.safetensors#TENSOR');
  }
  const json = readJsonFile(index, files);
  const map = isRecord(json) ? json['weight_map'] : undefined;
  if (!isRecord(map)) throw refuse(index, 'the index has no weight_map', typeof map, '{"tensor": "file"}', 'fetch the index again');
  const shards = new Map<string, string>();
  for (const [name, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !/^[^/\\\0:]{1,255}\.safetensors$/.test(shard) || shard.startsWith('..')) {
      throw refuse(`${index}: weight_map.${name.slice(0, 200)}`, 'not the name of a shard', brief(shard), 'a .safetensors file of the same folder', 'fetch the index again');
    }
    shards.set(name, shard);
  }
  return { index, shards };
}

function refuse(path: string, what: string, actual: unknown, limit: unknown, fix: string): TilewireError {
  return new TilewireError('BAD_FILE', what, { path, actual, limit, fix });
}
