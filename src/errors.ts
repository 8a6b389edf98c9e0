// Every way in which tilewire says no, in one file. An error names what is wrong, the value it found,
// the limit it broke and what to do about it; its code decides the exit status of the CLI.

/** Error codes by exit status: 1 the run is wrong, 2 bad input, 3 the machine, 4 no progress, 70 a bug in tilewire, 130 interrupted. */
export const EXIT_OF = {
  WRONG_VALUES: 1,
  CAUSALITY: 1,
  LEDGER: 1,
  TRACKER: 1,
  STALLED: 1,
  NO_WORK: 1,
  BAD_FLAG: 2,
  BAD_FILE: 2,
  BAD_SPEC: 2,
  BAD_KERNEL: 2,
  BAD_TILE: 2,
  FILE_EXISTS: 2,
  MEMORY_LIMIT: 2,
  NOT_EXACT: 2,
  VACUOUS_BOUND: 2,
  NO_BROWSER: 3,
  NO_ADAPTER: 3,
  NO_FEATURE: 3,
  ADAPTER_HUNG: 3,
  DEVICE_LOST: 3,
  GPU_ERROR: 3,
  NOT_HARDWARE: 3,
  BROWSER_DIED: 3,
  NO_BACKEND: 3,
  BACKEND_DIED: 3,
  TIMEOUT: 4,
  BUG: 70,
  INTERRUPTED: 130,
} as const;

export type ErrorCode = keyof typeof EXIT_OF;

export interface ErrorFields {
  /** Flag, JSON path or file that is at fault, e.g. `--tile` or `gemm.m`. */
  path?: string;
  /** The offending value as found. */
  actual?: unknown;
  /** The limit it broke. */
  limit?: unknown;
  /** What the user can do. */
  fix?: string;
  /** Further lines, e.g. the pending triggers of a stalled run. */
  lines?: string[];
}

/** The only error class: `code` selects the exit status, the fields say what, actual, limit and fix. */
export class TilewireError extends Error {
  override name = 'TilewireError';
  constructor(
    readonly code: ErrorCode,
    readonly what: string,
    readonly fields: ErrorFields = {},
  ) {
    super(describe(code, what, fields));
  }
  get exitCode(): number {
    return EXIT_OF[this.code];
  }
  /** A plain record, to cross from the page to the host; {@link fromRecord} restores it. */
  toRecord(): ErrorRecord {
    return { code: this.code, what: this.what, fields: this.fields };
  }
  static fromRecord(record: ErrorRecord): TilewireError {
    return new TilewireError(record.code, record.what, record.fields);
  }
}

export interface ErrorRecord {
  code: ErrorCode;
  what: string;
  fields: ErrorFields;
}

function describe(code: ErrorCode, what: string, { path, actual, limit, fix, lines }: ErrorFields): string {
  const facts = [
    path === undefined ? '' : `at ${path}`,
    actual === undefined ? '' : `found ${show(actual)}`,
    limit === undefined ? '' : `limit ${show(limit)}`,
  ].filter(Boolean);
  const head = `${what}${facts.length > 0 ? ` (${facts.join(', ')})` : ''} [${code}]`;
  return [head, ...(lines ?? []).map((line) => `  ${line}`), ...(fix === undefined ? [] : [`  fix: ${fix}`])].join('\n');
}

function show(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
}

/** An invariant of tilewire itself broke: exit status 70, never the user's fault. */
export function bug(what: string, fields: ErrorFields = {}): TilewireError {
  return new TilewireError('BUG', `internal error: ${what}`, { fix: 'please report this with the command line', ...fields });
}
