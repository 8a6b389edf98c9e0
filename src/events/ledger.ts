// The byte ledger: what each device stored, read for transfers, sent and received, added up from the event
// log, and held against the closed forms of the collective, unequal and empty chunks included.
import type { Plan } from '../plan/plan.ts';
import type { Algorithm } from '../spec/spec.ts';
import type { EventLog } from './log.ts';

export interface LedgerRow {
  /** Local GEMM stores, bytes. */
  storeBytes: number;
  /** Bytes read by DMA transfers. */
  transferBytes: number;
  /** Bytes sent over the device's links: DMA and remote stores. */
  linkBytes: number;
  /** Every byte that arrived from elsewhere, whether its op said store or update. */
  reductionBytes: number;
}

const ELEMENT_BYTES = 4;
const FIELDS = ['storeBytes', 'transferBytes', 'linkBytes', 'reductionBytes'] as const;
const emptyRow = (): LedgerRow => ({ storeBytes: 0, transferBytes: 0, linkBytes: 0, reductionBytes: 0 });

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

/**
 * Closed forms, c_j the bytes of chunk j, S their sum, N ≥ 2 devices (derived from the mapping of T3's ring):
 * ring: store S − c_{d+1}, transfer S − c_d − c_{d+1}, link S − c_d, reduction S − c_{d+1};
 * direct: store c_d, transfer 0, link S − c_d, reduction (N−1)·c_d. One device stores S and moves nothing.
 */
export function expectedLedger(algorithm: Algorithm, chunkElements: readonly number[]): LedgerRow[] {
  const bytes = chunkElements.map((elements) => elements * ELEMENT_BYTES);
  const devices = bytes.length;
  const total = bytes.reduce((sum, value) => sum + value, 0);
  return bytes.map((own, d) => {
    if (devices === 1) return { ...emptyRow(), storeBytes: total };
    const first = bytes[(d + 1) % devices];
    return algorithm === 'ring'
      ? { storeBytes: total - first, transferBytes: total - own - first, linkBytes: total - own, reductionBytes: total - first }
      : { storeBytes: own, transferBytes: 0, linkBytes: total - own, reductionBytes: (devices - 1) * own };
  });
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

