#!/usr/bin/env node
// `npm run bench:peers -- FLAGS`: bundles the bench, which is TypeScript, and runs it.
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const outfile = path.join(root, 'dist', 'bench-peers.js');
await build({ absWorkingDir: root, entryPoints: ['bench/peers/main.ts'], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', packages: 'external', charset: 'utf8', loader: { '.wgsl': 'text' }, logLevel: 'error' });
const { main } = await import(pathToFileURL(outfile).href);
// A browser that is running ends in its exit handler.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
process.exitCode = await main(process.argv.slice(2), root);
