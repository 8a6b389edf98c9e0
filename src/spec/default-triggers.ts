// Who compares counters with thresholds where the request leaves it open: the host or a kernel on the GPU, whichever should be
// faster on the adapter. What either costs is measured there (gpu/trigger-cost.ts); how long an epoch is, is estimated.
import type { AdapterTraits, SpecDraft } from './spec.ts';

/** Microseconds an epoch. */
export interface TriggerCost {
  /** Until the counters of an epoch are on the host, nothing else being in the way. */
  readonly readbackUs: number;
  /** Of one dispatch whose arguments the host writes, records and bind group included. */
  readonly directUs: number;
  /** Of one dispatch whose arguments lie on the GPU. */
  readonly indirectUs: number;
  /** Of a kernel of one small workgroup, behind the copy of a counter. */
  readonly lookUs: number;
}

/** What a schedule does in an epoch, and how long an epoch is. */
export interface EpochShape {
  readonly devices: number;
  /** Epochs by which a trigger may be late. */
  readonly lag: number;
  /** GPU time of an epoch's stages. */
  readonly epochUs: number;
}

/** FLOP/s by which an epoch's time is estimated; only its order of magnitude matters: whether a readback is hidden in it. */
const RATE = { software: 1e10, hardware: 5e12 };
/** The GPU must be this much faster: what is a draw within the noise must not change from run to run, and the host's trackers can do more. */
const CLEARLY = 0.75;

/**
 * A device sends and applies about one list an epoch. Host: the part of a readback that `lag` epochs do not hide, and 2
 * dispatches a device; GPU: the tracker's look, and 2 indirect dispatches a device.
 */
export function fasterTriggers({ readbackUs, directUs, indirectUs, lookUs }: TriggerCost, { devices, lag, epochUs }: EpochShape): 'host' | 'device' {
  const host = Math.max(0, readbackUs - lag * epochUs) + 2 * devices * directUs;
  const device = lookUs + 2 * devices * indirectUs;
  return device < CLEARLY * host ? 'device' : 'host';
}

/** @param epochs with a GEMM stage in each */
export function triggersFor({ gemm: { m, n, kTotal }, devices, lag }: Pick<SpecDraft, 'gemm' | 'devices' | 'lag'>, epochs: number, { triggerCost, isFallback }: AdapterTraits): 'host' | 'device' {
  const epochUs = (2e6 * m * n * kTotal) / epochs / (isFallback ? RATE.software : RATE.hardware);
  return fasterTriggers(triggerCost, { devices, lag, epochUs });
}
