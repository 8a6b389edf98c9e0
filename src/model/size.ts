// What a simulation is too large for: a host's time and memory, and what the clock can count.
import type { GemmShape } from '../spec/spec.ts';
import type { Machine, Parameters } from './machine.ts';

export interface Simulated {
  readonly gemm: GemmShape;
  readonly devices: number;
  readonly machine: Machine;
  readonly parameters: Parameters;
  /** Slabs of A and B at most, and over how many of the devices they are counted. */
  readonly mostSlabs: number;
  readonly simulated: number;
}

export interface SizeProblem {
  readonly what: string;
  readonly actual: string;
  readonly limit: unknown;
  readonly fix: string;
}

/** Tiles of the output times devices: each device has a list of them, which is what a host's memory ends at. */
const MOST_TILES = 2 ** 21;
/** Picoseconds that the clock counts exactly. */
const MOST_SECONDS = 2 ** 53 / 1e12;

/** Slabs that a GEMM computes, over all devices that are simulated: about a microsecond each. */
export const slabsOf = ({ m, n, k }: GemmShape, { tileM, tileN, tileK }: Pick<Parameters, 'tileM' | 'tileN' | 'tileK'>): number => Math.ceil(m / tileM) * Math.ceil(n / tileN) * Math.ceil(k / tileK);

/** What takes a host too long, or more than it has, or takes the machine longer than the clock counts; null where nothing does. */
export function sizeProblem({ gemm, devices, machine, parameters, mostSlabs, simulated }: Simulated): SizeProblem | null {
  const { m, n } = gemm;
  const { tileM, tileN, tileK, elementBytes, efficiency } = parameters;
  const slabs = slabsOf(gemm, parameters);
  if (slabs * simulated > mostSlabs) return { what: 'this GEMM would take minutes to simulate', actual: `${slabs * simulated} slabs of tiles${simulated > 1 ? ` on ${simulated} devices` : ''}`, limit: mostSlabs, fix: simulated > 1 ? 'take fewer rows or devices' : 'model fewer rows: a step looks the same' };
  const tiles = Math.ceil(m / tileM) * Math.ceil(n / tileN) * devices;
  if (tiles > MOST_TILES) return { what: 'this output has more tiles than a simulation holds', actual: `${tiles} tiles of ${tileM} x ${tileN}, times devices`, limit: MOST_TILES, fix: 'take fewer rows or devices' };
  // Of everything in turn, so that whatever the schedule does ends sooner.
  const compute = (slabs * 2 * tileM * tileN * tileK) / (machine.flopsPerClockPerCu * machine.clockGHz * 1e9 * efficiency * Math.min(machine.cus, tiles));
  const operands = (slabs * (tileM + tileN) * tileK * elementBytes) / (machine.memoryGBs * 1e9);
  const output = (m * n * elementBytes * (8 / machine.memoryGBs + 2 / machine.linkGBs + 2 / machine.nodeGBs)) / 1e9;
  const seconds = compute + operands + output + (2 * devices * machine.linkLatencyNs) / 1e9;
  return seconds > MOST_SECONDS ? { what: 'on this machine that would take longer than the clock counts', actual: `about ${Math.round(seconds)} s`, limit: `${Math.floor(MOST_SECONDS)} s`, fix: 'take fewer rows, or a faster machine' } : null;
}
