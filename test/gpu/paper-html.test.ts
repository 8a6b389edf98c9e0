// The charts of `tilewire paper --html` are drawn from the file alone. (Here for the browser; nothing of it needs a GPU.)
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { paperHtml } from '../../src/report/paper-html.ts';
import { report } from '../report/modelled-sample.ts';
import { gpuTest } from './page-client.ts';

gpuTest('the charts are drawn, each bar and layer with its figure', async (page) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tilewire-test-'));
  const drawn = await page.browser().newPage();
  try {
    const html = path.join(folder, 'paper.html');
    fs.writeFileSync(html, paperHtml(report, fs.readFileSync(new URL('../../dist/paper-charts.js', import.meta.url), 'utf8')));
    const errors: unknown[] = [];
    const fetched: string[] = [];
    drawn.on('pageerror', (error) => errors.push(error));
    drawn.on('console', (message) => errors.push(message.text()));
    drawn.on('request', (request) => fetched.push(request.url().slice(0, 5)));
    await drawn.goto(pathToFileURL(html).href, { waitUntil: 'load' });
    const titles = (id: string): Promise<string[]> => drawn.$$eval(`#${id} title`, (found) => found.map((title) => title.textContent!));
    // Three panels of one place: two bars and two lines each.
    expect(await titles('speedups-0')).toHaveLength(12);
    expect(await titles('speedups-0')).toEqual(expect.arrayContaining(['op, t3: 1.250', 'op, t3-mca: 2.000', 'op, ideal-overlap: 2.500', 'op, ideal-nmc: 3.125']));
    expect(await titles('speedups-1')).toEqual(expect.arrayContaining(['op, t3: 2.500']));
    expect(await titles('traffic')).toEqual(expect.arrayContaining(['0–20: GEMM reads 200', '20–40: RS writes 25']));
    // A layer stands on the one below, as high as its figure.
    const [reads, scattered] = await drawn.$$eval('#traffic rect', (rects) => ['20–40: GEMM reads 50', '20–40: RS reads 25'].map((wanted) => {
      const rect = rects.find((of) => of.textContent === wanted)!;
      return { top: Number(rect.getAttribute('y')), height: Number(rect.getAttribute('height')) };
    }));
    expect(scattered!.top + scattered!.height).toBeCloseTo(reads!.top, 0);
    expect(reads!.height).toBeCloseTo(2 * scattered!.height, 0);
    expect({ errors, fetched: fetched.filter((url) => url !== 'file:' && url !== 'data:') }).toEqual({ errors: [], fetched: [] });
  } finally {
    await drawn.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
});
