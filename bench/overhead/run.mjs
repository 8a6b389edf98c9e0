// Builds driver and page of the overhead benchmark and starts it; plain JavaScript, because it runs before anything is built.
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import esbuild from 'esbuild';

const root = fileURLToPath(new URL('../..', import.meta.url));
const bundle = async (entry, out, options) => {
  const outfile = path.join(root, 'dist', out);
  await esbuild.build({ absWorkingDir: root, entryPoints: [`bench/overhead/${entry}`], outfile, bundle: true, format: 'esm', charset: 'utf8', loader: { '.wgsl': 'text' }, logLevel: 'error', ...options });
  return outfile;
};

// The driver's packages are found from dist/.
const [driver, page] = await Promise.all([bundle('main.ts', 'bench-overhead.js', { platform: 'node', target: 'node20', packages: 'external' }), bundle('page.ts', 'bench-overhead-page.js', { platform: 'browser', target: 'es2023' })]);
process.env.TILEWIRE_OVERHEAD_PAGE = page;
await import(pathToFileURL(driver).href);
