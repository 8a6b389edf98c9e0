// The bytes that a collective must move on each device, in closed form: known from the chunks alone, before anything
// runs. What a run's ledger (events/ledger.ts) adds up must equal them.
import type { Algorithm } from '../spec/spec.ts';
import { splitsOf, type Plan } from './plan.ts';

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

/** Of a batch, the sum over its matrices: each is a collective of its own. */
export function expectedLedger(algorithm: Algorithm, plan: Pick<Plan, 'devices' | 'twins' | 'tiling'>): LedgerRow[] {
  const { devices, tiling: { chunks } } = plan;
  const rows = Array.from({ length: devices }, emptyRow);
  for (let first = 0; first < chunks.length; first += devices) {
    const elements = chunks.slice(first, first + devices).map((chunk) => chunk.elements);
    collectiveLedger(algorithm, elements, splitsOf(plan)).forEach((row, d) => {
      for (const field of Object.keys(row) as (keyof LedgerRow)[]) rows[d][field] += row[field];
    });
  }
  return rows;
}

/**
 * Closed forms, c_j the bytes of chunk j, S their sum, N ≥ 2 devices (derived from the mapping of T3's ring):
 * and p the splits of K, each of which stores everything once: ring: store p·(S − c_{d+1}), transfer S − c_d − c_{d+1},
 * link S − c_d + (p−1)·c_{d+1}, reduction S − c_{d+1} + (p−1)·c_{d+2}, the chunks that are stored remotely in step 1;
 * direct: store p·c_d, transfer 0, link p·(S − c_d), reduction p·(N−1)·c_d; chunk-ring, where the first chunk is stored at
 * home too: store p·S, transfer and link S − c_d, reduction S − c_{d+1}. One device stores p·S and moves nothing.
 */
export function collectiveLedger(algorithm: Algorithm, chunkElements: readonly number[], splits = 1): LedgerRow[] {
  const bytes = chunkElements.map((elements) => elements * ELEMENT_BYTES);
  const devices = bytes.length;
  const total = bytes.reduce((sum, value) => sum + value, 0);
  return bytes.map((own, d) => {
    if (devices === 1) return { ...emptyRow(), storeBytes: splits * total };
    const first = bytes[(d + 1) % devices];
    const incoming = bytes[(d + 2) % devices];
    if (algorithm === 'chunk-ring') return { storeBytes: splits * total, transferBytes: total - own, linkBytes: total - own, reductionBytes: total - first };
    return algorithm === 'ring'
      ? { storeBytes: splits * (total - first), transferBytes: total - own - first, linkBytes: total - own + (splits - 1) * first, reductionBytes: total - first + (splits - 1) * incoming }
      : { storeBytes: splits * own, transferBytes: 0, linkBytes: splits * (total - own), reductionBytes: splits * (devices - 1) * own };
  });
}
