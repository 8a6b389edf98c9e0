// `tilewire paper`: the paper's evaluation on the virtual clock, beside what was published. No browser, no GPU.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { paperReport, SENSITIVITY_SETS } from '../model/paper-report.ts';
import { reportToJson } from '../report/json.ts';
import { paperHtml } from '../report/paper-html.ts';
import { omitted, paperJson } from '../report/paper-json.ts';
import { paperTable } from '../report/paper-table.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';
import { endAtOnceOnSignals } from './simulate.ts';

export interface PaperFlags {
  readonly sensitivity?: boolean;
  readonly json?: string;
  readonly html?: string;
  readonly force?: boolean;
}

/** Draws the charts; bundled beside the CLI. */
const chartsFile = fileURLToPath(new URL('./paper-charts.js', import.meta.url));

export async function paperCommand({ sensitivity = false, json, html, force = false }: PaperFlags): Promise<void> {
  const files = { json: json === undefined ? null : claimReportFile(json, force), html: html === undefined ? null : claimReportFile(html, force, '--html') };
  endAtOnceOnSignals();
  const progress = progressLine();
  const report = paperReport({
    ...(sensitivity ? { sensitivity: { sets: SENSITIVITY_SETS } } : {}),
    progress: (step, done, total) => progress.show({ step, done, total }),
  });
  progress.clear();
  process.stdout.write(`${paperTable(report)}\n`);
  const record = paperJson(report);
  files.json?.write(reportToJson(record));
  files.html?.write(paperHtml(report, fs.readFileSync(chartsFile, 'utf8')));
  const left = omitted(record);
  if (json !== undefined && left.length > 0) process.stderr.write(`tilewire: note: ${json} is without ${left.join(' and ')}: --sensitivity makes them\n`);
}
