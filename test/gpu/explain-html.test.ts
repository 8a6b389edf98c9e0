// The charts of `tilewire explain --html` are drawn from the file alone. (Here for the browser; nothing of it needs a GPU.)
import fs from 'node:fs';
import { expect } from 'vitest';
import { explainHtml } from '../../src/report/explain-html.ts';
import { report } from '../report/explained-sample.ts';
import { lookAtText } from './drawn.ts';
import { gpuTest } from './page-client.ts';

gpuTest('bars, the path over time and a map are drawn, each with its figures in text', async (page) => {
  const charts = fs.readFileSync(new URL('../../dist/explain-charts.js', import.meta.url), 'utf8');
  await lookAtText(page, explainHtml(report, charts), async (drawn) => {
    const texts = (id: string): Promise<string[]> => drawn.$$eval(`#${id} svg text`, (found) => found.map((text) => text.textContent!));
    const widths = (id: string): Promise<Record<string, number>> => drawn.$$eval(`#${id} svg rect`, (rects) => Object.fromEntries(rects.map((rect) => [rect.textContent!, Number(rect.getAttribute('width'))])));
    expect(await texts('path-bars-0')).toEqual(expect.arrayContaining(['7.00 µs, 70.0 %', '3.00 µs, 30.0 %', 'compute', 'µs of 10.0 µs →']));
    const bars = await widths('path-bars-0');
    expect(bars['7.00 µs, 70.0 %']! / bars['3.00 µs, 30.0 %']!).toBeCloseTo(7 / 3, 2);
    const spans = await widths('path-0');
    expect(spans['compute, 7.00 µs: device 1, tile 4']! / spans['link, several']!).toBeCloseTo(7 / 3, 1);
    expect(await texts('path-0')).toEqual(expect.arrayContaining(['device 1', 'device 2']));
    expect(await texts('map-0-0')).toEqual(expect.arrayContaining(['0.900 -', '* 1.357 +', 'm', 'tile']));
    // The cell without a value is hatched.
    expect(await drawn.$$eval('#map-0-0 svg rect', (rects) => rects.filter((rect) => rect.closest('[fill^="url("]') !== null).map((rect) => rect.textContent))).toEqual(['tile 64, m 4: more than is simulated here']);
  });
});
