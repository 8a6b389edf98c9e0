// The charts of `tilewire paper --html` are drawn from the file alone. (Here for the browser; nothing of it needs a GPU.)
import fs from 'node:fs';
import { expect } from 'vitest';
import { paperHtml } from '../../src/report/paper-html.ts';
import { report } from '../report/modelled-sample.ts';
import { lookAtText } from './drawn.ts';
import { gpuTest } from './page-client.ts';

gpuTest('the charts are drawn, each bar and layer with its figure', async (page) => {
  const charts = fs.readFileSync(new URL('../../dist/paper-charts.js', import.meta.url), 'utf8');
  await lookAtText(page, paperHtml(report, charts), async (drawn) => {
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
  });
});
