// Are the values right? Exact mode: zero wrong among all elements, by bits, on the GPU, against a kernel of another
// structure; or, where that would cost as much as the run, by Freivalds' test over all of them, and that comparison only
// where the test fails. Real mode: a float64 reference under a derived bound, and bit for bit the additions in plan order.
import { bug } from '../errors.ts';
import type { EventLog } from '../events/log.ts';
import { readBack, type Arena, type Gpu, type Range } from '../gpu/gpu.ts';
import { splitsOf, type Plan } from '../plan/plan.ts';
import type { Spec } from '../spec/spec.ts';
import { unitsOf } from '../spec/exactness.ts';
import { mix } from '../spec/operands.ts';
import { addDevice, addEpilogue, checkBounded, type BoundedCheck, newReference, rowsToCheck } from '../verify/bounded.ts';
import type { CheckChoice } from '../verify/choice.ts';
import { bitsWrong } from '../verify/exact.ts';
import { escapeProbability, firstWrongRow, MODULUS, projected, vectorsOf, VECTORS } from '../verify/projection.ts';
import type { Check } from '../verify/run-report.ts';
import { compareChunks } from './compare.ts';
import { sha256 } from './digest.ts';
import type { EpilogueValues } from './epilogue.ts';
import type { Gemms } from './gemms.ts';
import type { DeviceMemory } from './memory.ts';
import type { Note } from './measured.ts';
import type { OperandSource } from './operands.ts';
import { checkPlanOrder } from './plan-order.ts';
import { projectedOperands, withEpilogue } from './projection.ts';
import { exactReference } from './reference.ts';
import { describe, gather, suspectsOf } from './result.ts';

/** Wrong elements that a report names; all are counted. */
const NAMED = 8;

export interface CheckInput {
  readonly gpu: Gpu;
  readonly arena: Arena;
  readonly spec: Spec;
  readonly plan: Plan;
  readonly gemms: Gemms;
  readonly operands: OperandSource;
  readonly epilogue: EpilogueValues;
  readonly memory: DeviceMemory;
  readonly log: EventLog;
  /** The memory of a chunk on its owner. */
  readonly owned: (chunk: number) => Range;
  readonly choice: CheckChoice;
  /** Gives back the memory that only the fused run needs, all but what the owners hold. */
  readonly release: () => void;
  readonly notes: Note[];
  readonly progress: (step: string, done: number, total: number) => void;
}

export interface CheckOutput {
  readonly check: Check;
  /** Bits of the m × n result. */
  readonly result: Uint32Array<ArrayBuffer>;
  /** Another result of the same Spec (the baseline's) by the same rule; what is wrong with it, or undefined. */
  readonly verify: (other: Uint32Array<ArrayBuffer>) => Promise<string | undefined>;
  /** What is wrong, one line each. */
  readonly messages: readonly string[];
}

/** A device's contribution to an element, epilogue included; float64. */
const contributionOf =
  (operands: OperandSource, epilogue: EpilogueValues): OperandSource['partial'] =>
  (device, row, column) =>
    epilogue.contribution(device, operands.partial(device, row, column), row, column);

/** A scale, a scaled residual and two additions. */
const EPILOGUE_ROUNDINGS = 4;

export async function checkValues(input: CheckInput): Promise<CheckOutput> {
  const result = await gather(input.gpu, input.plan, input.owned);
  // Hashed by another thread meanwhile.
  const hash = sha256(result);
  if (input.spec.operands.kind !== 'exact') return checkReal(input, result, hash);
  input.notes.push({ path: 'check.bitExactPlanOrder', reason: 'exact mode: every order of additions gives the same bits' });
  return input.choice === 'projection' ? checkProjected(input, result, hash) : checkExact(input, result, hash);
}

/** Freivalds' test; where that fails, the comparison with the whole reference tells which elements are wrong. */
async function checkProjected(input: CheckInput, result: Uint32Array<ArrayBuffer>, hash: Promise<string>): Promise<CheckOutput> {
  const { gpu, spec, plan, gemms, operands, epilogue, notes, release, progress } = input;
  const { n } = spec.gemm;
  const vectors = vectorsOf(spec.seed, n);
  const units = unitsOf(gemms.text.epilogue);
  // The GPU multiplies while the host does.
  const product = projectedOperands(gpu, spec, gemms.text.batch, vectors, (done) => progress('projection', done, spec.devices));
  product.catch(() => {});
  const found = projected(new Float32Array(result.buffer), n, vectors, units);
  const expected = withEpilogue(await product, n, units, epilogue, vectors);
  const freivalds = { vectors: VECTORS, modulus: MODULUS, probability: escapeProbability() };
  const row = firstWrongRow(found, expected, n);
  if (row >= 0) {
    release();
    const { check, messages, ...rest } = await checkExact(input, result, hash);
    const contradiction = check.wrong > 0 ? [] : [`the projection finds row ${row} wrong, the comparison with the reference finds nothing: one of the two checks is broken`];
    return { ...rest, check: { ...check, mode: 'projection', freivalds }, messages: [...contradiction, ...messages] };
  }
  const doubts = doubtsOf(result, { ...spec, rows: plan.tiling.m }, { partial: contributionOf(operands, epilogue) }, 'result');
  notes.push({ path: 'check.maxError', reason: 'a projection finds nothing wrong, or has every element compared: it measures no differences' });
  const check: Check = { mode: 'projection', elements: result.length, coverage: found.elements / result.length, wrong: 0, maxError: null, bound: 0, bitExactPlanOrder: null, planOrderCoverage: null, freivalds, firstWrong: [], outputHash: await hash };
  const verify: CheckOutput['verify'] = async (other) => {
    const values = new Float32Array(other.buffer);
    const wrong = firstWrongRow(projected(values, n, vectors, units), expected, n);
    if (wrong < 0) return undefined;
    const right = exactRow(input, wrong);
    const column = right.findIndex((value, at) => value !== values[wrong * n + at]);
    if (column < 0) throw bug(`the projection finds row ${wrong} wrong, element by element it is right`);
    return `row ${wrong}, column ${column}: expected ${right[column]}, found bits 0x${other[wrong * n + column].toString(16)}`;
  };
  return { check, result, verify, messages: doubts };
}

/** A row of C, by the host alone. */
function exactRow({ spec: { gemm: { m, n }, devices }, operands, epilogue }: CheckInput, row: number): Float64Array {
  const sum = new Float64Array(n);
  for (let device = 0; device < devices; device++) {
    const { a, b } = operands.onHost(device, Uint32Array.of(row));
    const first = Math.floor(row / m) * a.length;
    for (let k = 0; k < a.length; k++) for (let column = 0; column < n; column++) sum[column] += a[k] * b[(first + k) * n + column];
  }
  return sum.map((product, column) => {
    const { bias, residual } = epilogue.addends(row, column);
    return epilogue.alpha * product + bias + residual;
  });
}

async function checkExact({ gpu, arena, spec, plan, gemms, operands, epilogue, owned, notes, progress }: CheckInput, result: Uint32Array<ArrayBuffer>, hash: Promise<string>): Promise<CheckOutput> {
  const reference = await exactReference(gpu, arena, spec, gemms.text.batch, operands, (done) => progress('reference', done, spec.devices));
  await epilogue.applyAll(gpu, arena, reference);
  const { compared, wrong, maxError } = await compareChunks(gpu, plan.tiling, owned, reference);
  const expected = await readBack(gpu, reference);
  const doubts = [...doubtsOf(expected, { ...spec, rows: plan.tiling.m }, { partial: contributionOf(operands, epilogue) }), ...disagreements(expected, result, { compared, wrong })];
  if (maxError === null) notes.push({ path: 'check.maxError', reason: 'some wrong elements are not finite' });
  const suspects = wrong === 0 ? [] : suspectsOf(expected, result, spec.gemm.n, NAMED);
  const firstWrong = describe(plan, spec.algorithm, suspects, contributionOf(operands, epilogue));
  const check: Check = { mode: 'exact', elements: result.length, coverage: compared / result.length, wrong, maxError, bound: 0, bitExactPlanOrder: null, planOrderCoverage: null, freivalds: null, firstWrong, outputHash: await hash };
  const verify: CheckOutput['verify'] = async (other) => {
    const [first] = suspectsOf(expected, other, spec.gemm.n, 1);
    return first === undefined ? undefined : `row ${first.row}, column ${first.column}: expected ${first.expected}, found bits 0x${first.bits.toString(16)}`;
  };
  return { check, result, verify, messages: [...doubts, ...(wrong === 0 ? [] : [wrongMessage(check)])] };
}

/** The comparison on the GPU must have looked at every element, and agree with one on the host. */
export function disagreements(expected: Uint32Array, actual: Uint32Array, { compared, wrong }: { compared: number; wrong: number }): string[] {
  let onHost = 0;
  for (let at = 0; at < expected.length; at++) if (bitsWrong(expected[at], actual[at])) onHost++;
  return [
    ...(compared === expected.length ? [] : [`the comparison looked at ${compared} of ${expected.length} elements`]),
    ...(wrong === onHost ? [] : [`the comparison found ${wrong} wrong elements on the GPU, ${onHost} on the host`]),
  ];
}

/** Seeded elements of the reference that are computed anew on the host, from the Spec alone. */
const SAMPLES = 64;

/** What speaks against the reference itself, or a result that was held against none: it must be what the Spec's operands give. */
export function doubtsOf(reference: Uint32Array<ArrayBuffer>, { rows, gemm: { n }, devices, seed }: Pick<Spec, 'gemm' | 'devices' | 'seed'> & { readonly rows: number }, operands: Pick<OperandSource, 'partial'>, what = 'reference'): string[] {
  const values = new Float32Array(reference.buffer);
  const doubts: string[] = [];
  for (let sample = 0; sample < SAMPLES; sample++) {
    const row = mix((seed + 2 * sample) | 0) % rows;
    const column = mix((seed + 2 * sample + 1) | 0) % n;
    let sum = 0;
    for (let device = 0; device < devices; device++) sum += operands.partial(device, row, column);
    if (values[row * n + column] !== sum) doubts.push(`the ${what} has ${values[row * n + column]} at row ${row}, column ${column}; the Spec's operands give ${sum}`);
  }
  return doubts.slice(0, NAMED);
}

async function checkReal({ gpu, spec, plan, gemms, operands, epilogue, memory, log, choice, notes, progress }: CheckInput, result: Uint32Array<ArrayBuffer>, hash: Promise<string>): Promise<CheckOutput> {
  const { gemm: { m, n, k, kTotal }, devices } = spec;
  const allRows = plan.tiling.m;
  const seeded = rowsToCheck(allRows, n, kTotal, spec.seed).rows;
  const order = await checkPlanOrder({ gpu, spec, plan, gemms, memory, log, among: choice === 'full' ? null : seeded }, epilogue.biasIsAfter ? (row, column) => epilogue.addends(row, column).bias : null, result, (done) => progress('plan order', done, devices));
  if (order.reason !== undefined) notes.push({ path: 'check.bitExactPlanOrder', reason: order.reason });
  const [first] = order.different;
  if (first !== undefined) notes.push({ path: 'check.bitExactPlanOrder', reason: `row ${first.row}, column ${first.column}: plan order gives ${first.expected}, the run ${first.actual}` });
  // A row that differs from the plan order must prove itself within the bound, seeded or not.
  const rows = Uint32Array.from(new Set([...seeded, ...order.different.map(({ row }) => row)])).toSorted();
  const reference = newReference({ m, n, kTotal: Math.ceil(kTotal * Math.max(1, Math.abs(epilogue.alpha))) + EPILOGUE_ROUNDINGS, devices, roundings: k + devices * splitsOf(plan) + (epilogue.isNone ? 0 : EPILOGUE_ROUNDINGS) }, rows);
  for (let device = 0; device < devices; device++) {
    const { a, b } = operands.onHost(device, rows);
    addDevice(reference, a, b);
    progress('float64 reference', device + 1, devices);
    await new Promise((resolve) => setTimeout(resolve));
  }
  if (!epilogue.isNone) addEpilogue(reference, epilogue.alpha, (row, column) => epilogue.addends(row, column));
  const boundedOf = (of: Uint32Array): BoundedCheck => {
    const actual = new Uint32Array(rows.length * n);
    rows.forEach((row, at) => actual.set(of.subarray(row * n, (row + 1) * n), at * n));
    return checkBounded(reference, actual, allRows, NAMED);
  };
  const bounded = boundedOf(result);
  const suspects = bounded.first.map(({ row, column, expected, bits, bound }) => ({ row, column, expected, bits, tolerance: bound }));
  const check: Check = {
    mode: 'bounded', elements: result.length, coverage: bounded.coverage, wrong: bounded.wrong, maxError: bounded.maxError, bound: bounded.boundThere,
    bitExactPlanOrder: order.exact, planOrderCoverage: order.exact === null ? null : order.coverage, freivalds: null,
    firstWrong: describe(plan, spec.algorithm, suspects, contributionOf(operands, epilogue)),
    outputHash: await hash,
  };
  const verify: CheckOutput['verify'] = async (other) => {
    const { wrong, first: [first] } = boundedOf(other);
    return wrong === 0 ? undefined : `row ${first.row}, column ${first.column}: expected ${first.expected} ± ${first.bound}, found bits 0x${first.bits.toString(16)}`;
  };
  return { check, result, verify, messages: bounded.wrong === 0 ? [] : [wrongMessage(check)] };
}

function wrongMessage({ wrong, elements, coverage, firstWrong: [first] }: Check): string {
  const head = `${wrong} of ${Math.round(elements * coverage)} compared elements are wrong`;
  if (first === undefined) return head;
  const devices = (list: readonly number[]): string => `device${list.length > 1 ? 's' : ''} ${list.join(', ')}`;
  const why = [first.missing?.length ? `missing the contribution of ${devices(first.missing)}` : '', first.doubled?.length ? `that of ${devices(first.doubled)} is counted twice` : ''].filter(Boolean).join(', ');
  return `${head}; first at row ${first.row}, column ${first.column} (device ${first.device}, chunk ${first.chunk}, tile ${first.tile}): expected ${first.expected}, found ${first.actual}${why === '' ? '' : `, ${why}`}`;
}
