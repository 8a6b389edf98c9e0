// Instrumented text on wgsl_reflect's interpreter. It keeps a single copy of private variables for all invocations,
// which the counters are: so each invocation is run as a dispatch of its own, its ids written into the text. That is
// right for kernels without barriers; those with barriers can only be run in lockstep, and their counters not be read.
import { detectRaces } from 'wgsl_reflect/wgsl_reflect.module.js';
import { INSTRUMENTED_ENTRY } from '../../src/gpu/instrument.ts';

export type Bindings = Readonly<Record<number, Readonly<Record<number, Float32Array | Uint32Array | { readonly uniform: Uint32Array }>>>>;

type Size = readonly [number, number, number];

const HEADER = new RegExp(`@workgroup_size\\([^)]*\\)\\s*fn ${INSTRUMENTED_ENTRY}\\([^{]*\\{`);

/** Every invocation of every workgroup, one after the other. */
export function interpret(text: string, [x, y, z]: Size, groups: Size, bindings: Bindings): void {
  if (!HEADER.test(text)) throw new Error('the text has no instrumented entry');
  eachId(groups, (group) =>
    eachId([x, y, z], (local) => {
      const lane = local[0] + x * (local[1] + y * local[2]);
      const alone = text.replace(HEADER, `@workgroup_size(1) fn ${INSTRUMENTED_ENTRY}() { let tw_group = vec3u(${group.join('u, ')}u); let tw_local = vec3u(${local.join('u, ')}u); let tw_lane = ${lane}u;`);
      run(alone, [1, 1, 1], bindings);
    }),
  );
}

/** All invocations of a workgroup in lockstep. */
export function interpretLockstep(text: string, groups: Size, bindings: Bindings): void {
  run(text, groups, bindings);
}

function run(text: string, groups: Size, bindings: Bindings): void {
  const { errors, races } = detectRaces(text, INSTRUMENTED_ENTRY, [...groups], bindings);
  const problems = [...errors.map(String), ...races.map(({ message }) => message)];
  if (problems.length > 0) throw new Error(problems.join('\n'));
}

function eachId([x, y, z]: Size, call: (id: [number, number, number]) => void): void {
  for (let k = 0; k < z; k++) for (let j = 0; j < y; j++) for (let i = 0; i < x; i++) call([i, j, k]);
}
