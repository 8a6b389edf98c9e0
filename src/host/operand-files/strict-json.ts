// JSON from a file that may be hostile. Size, UTF-8, nesting and the number of values are checked before a
// parser builds anything, and a key that an object holds twice is refused: two readers would see two
// different files. Returns plain data; what it means is the caller's to check.
import { TilewireError } from '../../errors.ts';
import { diskFiles, type Files, type OpenFile } from './files.ts';

/** The largest index known (a trillion parameters in 60 shards) is under 20 MB; headers are smaller. */
export const MAX_JSON_BYTES = 32 * 2 ** 20;
const MAX_DEPTH = 32;
const MAX_VALUES = 1_000_000;

/** A whole JSON file: a model's `config.json`, or the index of its shards. */
export function readJsonFile(path: string, files: Files = diskFiles()): unknown {
  const file = files.open(path);
  try {
    return readJson(files, file, 0, file.size);
  } finally {
    file.close();
  }
}

/** The JSON text in `length` bytes of a file; the range must lie inside it. */
export function readJson(files: Files, file: OpenFile, position: number, length: number): unknown {
  if (length > MAX_JSON_BYTES) throw refuse(file.path, 'the JSON is too long to be a header, an index or a config', `${length} bytes`, `${MAX_JSON_BYTES} bytes`);
  const bytes = new Uint8Array(files.allocate(length, file.path));
  file.read(bytes, position);
  return parseStrict(bytes, file.path);
}

export function parseStrict(bytes: Uint8Array, path: string): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw refuse(path, 'the JSON is not UTF-8', 'bytes that are no character', 'valid UTF-8');
  }
  checkNesting(text, path);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw refuse(path, 'not JSON', error instanceof Error ? error.message.slice(0, 200) : error, 'valid JSON');
  }
  checkKeys(text, path);
  return value;
}

/** Works on any text, JSON or not: brackets and commas outside of strings bound what a parser can build. */
function checkNesting(text: string, path: string): void {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '"') at = endOfString(text, at);
    else if (character === '{' || character === '[') {
      depth++;
      values++;
    } else if (character === '}' || character === ']') depth--;
    else if (character === ',') values++;
    if (depth > MAX_DEPTH) throw refuse(path, 'the JSON is nested too deeply', `more than ${MAX_DEPTH} levels at character ${at}`, `${MAX_DEPTH} levels`);
    if (values > MAX_VALUES) throw refuse(path, 'the JSON holds too many values', `more than ${MAX_VALUES}`, MAX_VALUES);
  }
}

/** `text` is valid JSON. A string is a key where a colon follows it. */
function checkKeys(text: string, path: string): void {
  const objects: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at]!;
    if (character === '{') objects.push(new Set());
    else if (character === '}') objects.pop();
    else if (character === '"') {
      const from = at;
      at = endOfString(text, at);
      let next = at + 1;
      while (' \t\n\r'.includes(text[next] ?? 'x')) next++;
      if (text[next] !== ':') continue;
      const raw = text.slice(from, at + 1);
      // A key may be spelt in two ways: "a" is "\u0061".
      const key = raw.includes('\\') ? (JSON.parse(raw) as string) : raw.slice(1, -1);
      const keys = objects.at(-1)!;
      if (keys.has(key)) throw refuse(path, 'the JSON holds a key twice', key.slice(0, 200), 'each key once in an object');
      keys.add(key);
    }
  }
}

/** Index of the closing quote, or the text's length. */
function endOfString(text: string, opening: number): number {
  for (let at = opening + 1; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at;
  }
  return text.length;
}

function refuse(path: string, what: string, actual: unknown, limit: unknown): TilewireError {
  return new TilewireError('BAD_FILE', what, { path, actual, limit, fix: 'fetch or save the file again with the library that wrote it' });
}
