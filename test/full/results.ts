// What the full grid has found: the verdict on one case, the file that a later run goes on from, and the table.
import type { Environment, RunReport } from '../../src/verify/run-report.ts';
import type { FullCase } from './grid.ts';

/** One line of the results file. */
export interface Result {
  /** Hash of the bundles that ran. */
  readonly build: string;
  readonly adapter: string;
  readonly flags: string;
  /** What is wrong; empty when all is right. */
  readonly complaints: readonly string[];
  readonly ms: number;
}

/** Which adapter results belong to. What is measured anew in each session, as the timer's steps are, is no part of it. */
export function adapterName({ adapter: { vendor, architecture, description, isFallback }, browser }: Environment): string {
  return [vendor, architecture, description, isFallback ? '(software fallback)' : '', 'in', browser].filter(Boolean).join(' ');
}

/** All that is wrong with a run: what the report says itself, and what it should have said. */
export function complaintsOf({ spec, kernel, failures, check, causality, ledger, tracker, measured }: RunReport, baseline: boolean): string[] {
  const expected: [right: boolean, what: string][] = [
    [check.wrong === 0, `${check.wrong} elements are wrong`],
    [check.coverage === 1 && check.elements === kernel.batch * spec.gemm.m * spec.gemm.n, `${check.elements} elements, of which ${check.coverage} were compared, of ${kernel.batch} x ${spec.gemm.m} x ${spec.gemm.n}`],
    [spec.operands.kind === 'exact' || check.bitExactPlanOrder === true, `the plan-order reference is ${check.bitExactPlanOrder}`],
    [causality.violations === 0, `${causality.violations} violations of causality`],
    [ledger.balanced, 'the ledger does not balance'],
    [tracker.updates > 0, 'the tracker saw no update'],
    [!baseline || measured.sequentialMs !== null, 'the baseline was not run'],
  ];
  return [...failures.map(({ code, message }) => `[${code}] ${message}`), ...expected.flatMap(([right, what]) => (right ? [] : [what]))];
}

/** The last result of each case by this build on this adapter. A last line that an interrupted run left torn is no result. */
export function resultsIn(text: string, build: string, adapter: string): Map<string, Result> {
  const results = new Map<string, Result>();
  for (const line of text.split('\n')) {
    const result = resultOf(line);
    if (result?.build === build && result.adapter === adapter) results.set(result.flags, result);
  }
  return results;
}

function resultOf(line: string): Result | undefined {
  try {
    return JSON.parse(line) as Result;
  } catch {
    return undefined;
  }
}

/** What is still to be done: whatever has not passed yet, failed cases too. */
export function casesLeft(cases: readonly FullCase[], results: ReadonlyMap<string, Result>): FullCase[] {
  return cases.filter(({ flags }) => results.get(flags)?.complaints.length !== 0);
}

/** Devices down, algorithm and kernel across, passed of finished cases in the cells; then each failure with the command that reproduces it. */
export function tableOf(cases: readonly FullCase[], results: ReadonlyMap<string, Result>): string {
  const column = ({ request: { algorithm, kernelName, foreign } }: FullCase): string => `${algorithm} ${foreign?.name.replace(/\.wgsl$/, '') ?? kernelName}`;
  const columns = [...new Set(cases.map(column))].sort();
  const devices = [...new Set(cases.map(({ request }) => request.devices!))].sort((one, other) => one - other);
  const cell = (of: readonly FullCase[]): string => {
    const finished = of.flatMap(({ flags }) => results.get(flags) ?? []);
    const passed = finished.filter(({ complaints }) => complaints.length === 0).length;
    return of.length === 0 ? '-' : `${passed}/${finished.length}${finished.length < of.length ? ` of ${of.length}` : ''}${passed < finished.length ? ' FAILED' : ''}`;
  };
  const row = (name: string, of: readonly FullCase[]): string[] => [name, ...columns.map((one) => cell(of.filter((each) => column(each) === one))), cell(of)];
  const rows = [['devices', ...columns, 'all'], ...devices.map((d) => row(String(d), cases.filter(({ request }) => request.devices === d))), row('all', cases)];
  const widths = rows[0].map((_, at) => Math.max(...rows.map((cells) => cells[at].length)));
  const failed = cases.flatMap(({ flags }) => results.get(flags) ?? []).filter(({ complaints }) => complaints.length > 0);
  return [
    'passed/finished cases',
    ...rows.map((cells) => cells.map((text, at) => text.padStart(widths[at])).join('  ')),
    ...failed.map(({ flags, complaints }) => `\nFAILED: npm run tilewire -- run ${flags}\n${complaints.map((line) => `  ${line.split('\n').join('\n    ')}`).join('\n')}`),
  ].join('\n');
}
