// Requests that resolve to a Spec, for property tests: every shape, chunking, kernel and policy.
import * as fc from 'fast-check';
import { KERNEL_SOURCES } from '../../src/spec/kernel-sources.ts';
import type { SpecRequest } from '../../src/spec/resolve.ts';

const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

const shapes: fc.Arbitrary<SpecRequest> = fc.oneof(
  fc.record({ m: fc.integer({ min: 1, max: 5000 }), n: fc.integer({ min: 1, max: 5000 }), k: fc.integer({ min: 1, max: 3000 }), devices: fc.integer({ min: 1, max: 64 }) }),
  fc.record({ model: fc.constantFrom('t-nlg', 'mega-gpt-2', 'llama-7b'), layer: fc.constantFrom('op', 'fc2'), tp: fc.constantFrom(1, 2, 4, 8), tokens: fc.integer({ min: 1, max: 4096 }) }),
);

export const requests: fc.Arbitrary<SpecRequest> = fc
  .tuple(
    shapes,
    fc.record({
      algorithm: maybe(fc.constantFrom('ring', 'direct', 'chunk-ring')),
      operands: maybe(fc.constantFrom('exact', 'normal')),
      seed: maybe(fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      chunk: maybe(fc.constantFrom('rows', 'columns')),
      kernelName: maybe(fc.constantFrom(...Object.keys(KERNEL_SOURCES))),
      wavefront: maybe(fc.constantFrom(4, 8, 16, 32, 64, 128)),
      stageTiles: maybe(fc.integer({ min: 1, max: 65535 })),
      triggerTiles: maybe(fc.integer({ min: 1, max: 100 })),
      lag: maybe(fc.integer({ min: 1, max: 16 })),
      skew: maybe(fc.double({ min: 0, max: 4, noNaN: true }).map(Math.abs)),
      overflow: maybe(fc.constantFrom('spill', 'stall')),
      faults: maybe(fc.constantFrom([], [{ kind: 'unwritten-output' }], [{ kind: 'threshold', device: 0, chunk: 0, tile: 0, delta: 1 }, { kind: 'early-read', device: 0, chunk: 0, tile: 0 }])),
    }) as fc.Arbitrary<SpecRequest>,
  )
  .map(([shape, rest]) => ({ ...shape, ...rest }));
