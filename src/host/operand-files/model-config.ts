// `--config`: a model's config.json, or the folder that holds it, as the sub-layers that it describes.
import path from 'node:path';
import { subLayersOf } from '../../spec/hf-config.ts';
import type { ModelConfig } from '../../spec/resolve.ts';
import { diskFiles, type Files } from './files.ts';
import { readJsonFile } from './strict-json.ts';

export function readModelConfig(reference: string, files: Files = diskFiles()): ModelConfig {
  const file = files.kind(reference) === 'folder' ? path.join(reference, 'config.json') : reference;
  const own = path.basename(file, '.json');
  // A config.json is named after nothing: its folder has the model's name.
  const name = own === 'config' ? path.basename(path.dirname(path.resolve(file))) || own : own;
  return { file, name, subLayers: subLayersOf(readJsonFile(file, files), file) };
}
