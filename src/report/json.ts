// A report as text, and the Specs that a file holds: a resolved Spec alone, or a whole earlier report, whose
// runs are all replayed and whose recorded hashes say what their bits and event order were.
import { TilewireError, bug } from '../errors.ts';
import { parseSpec } from '../spec/parse.ts';
import type { Spec } from '../spec/spec.ts';
import type { TilesReport } from '../tune/tiles-report.ts';
import type { Report } from '../verify/run-report.ts';
import type { ExplainReport } from './explain-record.ts';
import type { RunsExplained } from './explained-run.ts';
import type { ModelReport } from './model-record.ts';
import type { PaperJson } from './paper-json.ts';

/** JSON with two-space indents. A NaN or an infinity would silently turn into null, so it is a bug. */
export function reportToJson(report: Report | TilesReport | ExplainReport | RunsExplained | ModelReport | PaperJson): string {
  const text = JSON.stringify(
    report,
    (key, value: unknown) => {
      if (typeof value === 'number' && !Number.isFinite(value)) throw bug('a figure of the report is not a number', { path: key, actual: String(value) });
      return value;
    },
    2,
  );
  return `${text}\n`;
}

export interface RecordedSpec {
  readonly spec: Spec;
  /** Of the run that the report tells of; null for a Spec alone. */
  readonly recorded: { readonly specHash: string; readonly outputHash: string; readonly eventHash: string; readonly adapter: string } | null;
}

/** The Specs in the text of `file`: BAD_FILE when it is no JSON, BAD_SPEC when it is neither a Spec nor a report. */
export function specsFromJson(text: string, file: string): RecordedSpec[] {
  const json = jsonIn(text, file, 'give a file that --json wrote, or a Spec out of one');
  if (!isRecord(json) || !('runs' in json)) return [{ spec: parseSpec(json, file), recorded: null }];
  if (!Array.isArray(json['runs']) || json['runs'].length === 0) {
    throw new TilewireError('BAD_SPEC', 'this report holds no run', { path: `${file} runs`, actual: json['runs'], fix: 'give a file that --json wrote' });
  }
  return json['runs'].map((run: unknown, i) => {
    const path = `${file} runs[${i}].spec`;
    if (!isRecord(run)) throw new TilewireError('BAD_SPEC', 'a run of this report is not an object', { path: `${file} runs[${i}]`, actual: run, fix: 'give a file that --json wrote' });
    return { spec: parseSpec(run['spec'], path), recorded: recordedHashes(run, json['environment']) };
  });
}

/** What the text of `file` says; BAD_FILE with this fix where it is no JSON. */
export function jsonIn(text: string, file: string, fix: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TilewireError('BAD_FILE', 'this file is not JSON', { path: file, actual: error instanceof Error ? error.message : String(error), fix });
  }
}

function recordedHashes(run: Record<string, unknown>, environment: unknown): RecordedSpec['recorded'] {
  const { check, causality, specHash } = run;
  const outputHash = isRecord(check) ? check['outputHash'] : undefined;
  const eventHash = isRecord(causality) ? causality['eventHash'] : undefined;
  const adapter = adapterKey(environment);
  return typeof specHash === 'string' && typeof outputHash === 'string' && typeof eventHash === 'string' ? { specHash, outputHash, eventHash, adapter } : null;
}

/** What makes two adapters the same one: what they call themselves and through whom they are reached, not what was measured. */
export function adapterKey(environment: unknown): string {
  const adapter = isRecord(environment) ? environment['adapter'] : undefined;
  if (!isRecord(environment) || !isRecord(adapter)) return '';
  return [environment['backend'], ...['vendor', 'architecture', 'description'].map((key) => adapter[key])].map(String).join(' ');
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
