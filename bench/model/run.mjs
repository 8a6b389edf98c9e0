// Builds the model's benchmark and starts it; plain JavaScript, because it runs before anything is built.
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import esbuild from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const outfile = path.join(root, 'dist', 'bench-model.js');
await esbuild.build({ absWorkingDir: root, entryPoints: ['bench/model/main.ts'], outfile, bundle: true, format: 'esm', charset: 'utf8', logLevel: 'error', platform: 'node', target: 'node20', packages: 'external' });
await import(pathToFileURL(outfile).href);
