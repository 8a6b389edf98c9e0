// Why an element is wrong: given what each device should have contributed and the value that is there, the
// devices whose contribution is missing or counted twice. Only what the value proves is said: where two
// explanations fit equally well, none is given. Several wrong elements of one tile narrow it down together.
import { POISON_BITS } from './exact.ts';

export interface Explanation {
  /** Devices whose contribution is not in the value, ascending; null with `doubled` null when nothing explains it. */
  readonly missing: readonly number[] | null;
  readonly doubled: readonly number[] | null;
}

/** One wrong element: what is needed to explain it. */
export interface WrongSample {
  /** Contribution of each device, float64: the partial sum of its own K products. */
  readonly partials: readonly number[];
  /** The bits of the f32 that is there. */
  readonly bits: number;
  /** Largest |difference| that rounding may leave: 0 in exact mode, the bound of `errorBound` in real mode. */
  readonly tolerance: number;
}

const UNEXPLAINED: Explanation = { missing: null, doubled: null };

/**
 * `chain` is the order in which contributions accumulate on their way to the owner, where there is one (ring, chunk j of
 * N: j − 1, j − 2, …, j): a transfer lost or applied twice there takes all of a beginning of the chain with it.
 */
export function explain(samples: WrongSample | readonly WrongSample[], chain: readonly number[] = []): Explanation {
  const all = 'partials' in samples ? [samples] : samples;
  if (all.length === 0) return UNEXPLAINED;
  const devices = all[0].partials.map((_, device) => device);
  if (all.every(({ bits }) => bits >>> 0 === POISON_BITS)) return { missing: devices, doubled: [] };
  for (const sets of [likely(devices, chain), pairs(devices)]) {
    const fitting = sets.flatMap((set) => [
      ...(all.every((sample) => fits(sample, set, -1)) ? [{ missing: set, doubled: [] }] : []),
      ...(all.every((sample) => fits(sample, set, 1)) ? [{ missing: [], doubled: set }] : []),
    ]);
    if (fitting.length > 0) return fitting.length === 1 ? fitting[0] : UNEXPLAINED;
  }
  return UNEXPLAINED;
}

/** Whether the value is Σ partials with those of `set` left out (sign −1) or added once more (sign 1); never where it is not finite. */
function fits({ partials, bits, tolerance }: WrongSample, set: readonly number[], sign: -1 | 1): boolean {
  const whole = partials.reduce((sum, partial) => sum + partial, 0);
  const change = set.reduce((sum, device) => sum + partials[device], 0);
  // A change within the tolerance explains nothing: the right value would fit as well.
  return Math.abs(change) > tolerance && Math.abs(whole + sign * change - valueOf(bits)) <= tolerance;
}

/** Single devices, all devices, and the beginnings of the chain; each once. */
function likely(devices: readonly number[], chain: readonly number[]): number[][] {
  const sets = [...devices.map((device) => [device]), [...devices], ...chain.map((_, i) => chain.slice(0, i + 1).sort((x, y) => x - y))];
  return [...new Map(sets.map((set) => [set.join(), set])).values()];
}

function pairs(devices: readonly number[]): number[][] {
  return devices.flatMap((x) => devices.slice(x + 1).map((y) => [x, y]));
}

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

function valueOf(bits: number): number {
  word[0] = bits;
  return float[0];
}
