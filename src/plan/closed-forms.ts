// The bytes that a collective must move on each device, in closed form: known from the chunks alone, before anything
// runs. What a run's ledger (events/ledger.ts) adds up must equal them.
import type { Algorithm } from '../spec/spec.ts';

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

export const ELEMENT_BYTES = 4;
export const emptyRow = (): LedgerRow => ({ storeBytes: 0, transferBytes: 0, linkBytes: 0, reductionBytes: 0 });

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
