// The byte ledger: what each device stored, read for transfers, sent and received, added up from the event
// log, and held against the closed forms of the collective, unequal and empty chunks included.
import { emptyRow, ELEMENT_BYTES, type LedgerRow } from '../plan/closed-forms.ts';
import type { Plan } from '../plan/plan.ts';
import type { EventLog } from './log.ts';

const FIELDS = ['storeBytes', 'transferBytes', 'linkBytes', 'reductionBytes'] as const;

/** Adds up the log: `landed` counts what arrived, `send` what a DMA read. */
export function ledgerOf(plan: Plan, log: EventLog): LedgerRow[] {
  const rows = Array.from({ length: plan.devices }, emptyRow);
  for (const { kind, device, subject, peer, value, via } of log) {
    if (kind === 'landed') {
      const bytes = value * ELEMENT_BYTES;
      if (via === 'local') rows[device].storeBytes += bytes;
      else rows[device].reductionBytes += bytes;
      if (via === 'remote') rows[peer].linkBytes += bytes;
    } else if (kind === 'send') {
      const bytes = plan.tiling.blockElements[subject] * ELEMENT_BYTES;
      rows[device].transferBytes += bytes;
      rows[device].linkBytes += bytes;
    }
  }
  return rows;
}

export function totalOf(rows: readonly LedgerRow[]): LedgerRow {
  const total = emptyRow();
  for (const row of rows) for (const field of FIELDS) total[field] += row[field];
  return total;
}

/** Where the ledger differs from the closed forms, one line each. */
export function checkLedger(rows: readonly LedgerRow[], expected: readonly LedgerRow[]): string[] {
  return rows.flatMap((row, device) =>
    FIELDS.filter((field) => row[field] !== expected[device][field]).map((field) => `device ${device}: ${field} is ${row[field]}, the closed form says ${expected[device][field]}`),
  );
}

