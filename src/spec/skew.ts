// How much slower than its fastest a device computes a stage: what makes devices, and the stages of one device, run
// apart, so that updates arrive in other orders. A pure function of the Spec, the same for the emulation (whose devices
// miss epochs) and for a model of time (whose stages take longer).
import { MATRIX, mix, streamKey } from './operands.ts';

/** Sets these hashes apart from those of operand values. */
const SKEW = 0x736b6577;
const uniform = (hash: number): number => hash / 2 ** 32;

/**
 * By what a stage's duration is multiplied: (1 + F·u(seed, d)) · (1 + F/4·u(seed, d, stage)), F being the skew, d the
 * device, `stage` its 0-based place in the device's order. With h = mix(streamKey(seed, d, A) ⊕ 'skew'),
 * u(seed, d) = h / 2³² and u(seed, d, stage) = mix(mix(h) + stage) / 2³²: uniform on [0, 1), mixed as operands are.
 * From 1 (and always 1 with skew 0) to below (1 + F)(1 + F/4).
 */
export function stageFactor(skew: number, seed: number, device: number, stage: number): number {
  const hash = mix(streamKey({ seed, device, matrix: MATRIX.a }) ^ SKEW);
  return (1 + skew * uniform(hash)) * (1 + (skew / 4) * uniform(mix((mix(hash) + stage) | 0)));
}
