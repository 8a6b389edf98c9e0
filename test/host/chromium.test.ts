import { brotliCompressSync } from 'node:zlib';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cacheFolder, extractTar, unpackChromium } from '../../src/host/chromium.ts';

let folder: string;
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, 'cache'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** A ustar entry: header block and padded content. */
function entry(name: string, content: string, { type = '0', mode = '644', prefix = '' } = {}): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0);
  header.write(mode.padStart(7, '0'), 100);
  header.write(content.length.toString(8).padStart(11, '0'), 124);
  header.write(type, 156);
  header.write('ustar\x0000', 257);
  header.write(prefix, 345);
  const body = Buffer.alloc(Math.ceil(content.length / 512) * 512);
  body.write(content);
  return Buffer.concat([header, body]);
}

const archive = (...entries: Buffer[]) => Buffer.concat([...entries, Buffer.alloc(1024)]);

/** A package whose "browser" is a text. */
function fakePackage(version = '1.2.3') {
  const files = path.join(folder, 'package');
  fs.mkdirSync(files, { recursive: true });
  fs.writeFileSync(path.join(files, 'al2023.tar.br'), brotliCompressSync(archive(entry('lib/libnss3.so', 'nss', { mode: '755' }))));
  fs.writeFileSync(path.join(files, 'swiftshader.tar.br'), brotliCompressSync(archive(entry('libvulkan.so.1', 'vulkan'))));
  fs.writeFileSync(path.join(files, 'chromium.br'), brotliCompressSync(Buffer.from('the browser')));
  return { version, archive: files };
}

test('a ustar archive is read: files with their modes, folders, prefixes; other kinds are skipped', () => {
  extractTar(archive(entry('a/', '', { type: '5' }), entry('a/x.sh', 'x'.repeat(513), { mode: '755' }), entry('y', 'why', { prefix: 'b/c' }), entry('link', '', { type: '2' })), folder);
  expect(fs.readFileSync(path.join(folder, 'a/x.sh'), 'utf8')).toBe('x'.repeat(513));
  expect(fs.statSync(path.join(folder, 'a/x.sh')).mode & 0o111).not.toBe(0);
  expect(fs.readFileSync(path.join(folder, 'b/c/y'), 'utf8')).toBe('why');
  expect(fs.existsSync(path.join(folder, 'link'))).toBe(false);
});

test('an archive that leaves its folder, or is cut short, is refused', () => {
  expect(() => extractTar(archive(entry('../out', 'x')), folder)).toThrow('outside its folder');
  expect(() => extractTar(archive(entry('/out', 'x')), folder)).toThrow('outside its folder');
  expect(() => extractTar(entry('cut', 'x'.repeat(2000)).subarray(0, 1024), folder)).toThrow('damaged archive');
});

test('the browser is unpacked once, complete, with the environment of its libraries', async () => {
  const told = vi.fn<(folder: string) => void>();
  const { executable, env } = await unpackChromium(fakePackage(), told);
  expect(executable).toBe(path.join(folder, 'cache/tilewire/chromium-1.2.3/chromium'));
  expect(fs.readFileSync(executable, 'utf8')).toBe('the browser');
  expect(fs.statSync(executable).mode & 0o111).not.toBe(0);
  expect(fs.existsSync(path.join(path.dirname(executable), 'libvulkan.so.1'))).toBe(true);
  expect(env['LD_LIBRARY_PATH']!.split(':')[0]).toBe(path.join(path.dirname(executable), 'lib'));
  await unpackChromium(fakePackage(), told);
  expect(told).toHaveBeenCalledTimes(1);
});

test('several unpackers at once all get a complete browser and leave nothing else behind', async () => {
  const fake = fakePackage();
  const all = await Promise.all(Array.from({ length: 5 }, () => unpackChromium(fake).then(({ executable }) => ({ executable, inode: fs.statSync(executable).ino }))));
  for (const { executable } of all) expect(fs.readFileSync(executable, 'utf8')).toBe('the browser');
  // The one that was first may be running by now: later ones must not replace it.
  expect(new Set(all.map(({ inode }) => inode)).size).toBe(1);
  expect(fs.readdirSync(path.join(folder, 'cache/tilewire'))).toEqual(['chromium-1.2.3']);
});

test('a damaged package leaves nothing under the final name; a folder without its browser is replaced', async () => {
  const fake = fakePackage();
  fs.writeFileSync(path.join(fake.archive, 'chromium.br'), 'not brotli');
  await expect(unpackChromium(fake)).rejects.toThrow();
  expect(fs.readdirSync(path.join(folder, 'cache/tilewire'))).toEqual([]);
  fs.mkdirSync(path.join(folder, 'cache/tilewire/chromium-1.2.3/lib'), { recursive: true });
  const { executable } = await unpackChromium(fakePackage());
  expect(fs.readFileSync(executable, 'utf8')).toBe('the browser');
});

test('what a killed unpacker left long ago is removed, what is recent is not', async () => {
  const cache = path.join(folder, 'cache/tilewire');
  for (const name of ['.chromium-1.2.3.old', '.chromium-1.2.3.new']) fs.mkdirSync(path.join(cache, name), { recursive: true });
  fs.utimesSync(path.join(cache, '.chromium-1.2.3.old'), 0, 0);
  await unpackChromium(fakePackage());
  expect(fs.readdirSync(cache).sort()).toEqual(['.chromium-1.2.3.new', 'chromium-1.2.3']);
});

test('a cache that cannot be made falls back to the temporary folder', () => {
  fs.writeFileSync(path.join(folder, 'file'), '');
  vi.stubEnv('XDG_CACHE_HOME', path.join(folder, 'file'));
  vi.stubEnv('TMPDIR', folder);
  expect(cacheFolder().startsWith(path.join(folder, 'tilewire-cache-'))).toBe(true);
});
