// Operands read as zero: what the probe runs to see where a kernel stores. Zeros are data like any other, and a compiler that
// knows them leaves out most of the work; who stores what may not depend on them, which a second run with other data tries.
import { DataTaint } from './data-taint.ts';
import type { Edit } from './output-space.ts';
import type { Function, Module } from './wgsl-tokens.ts';

export interface ReadOperand {
  readonly name: string;
  /** Of its array. */
  readonly elementType: string;
}

/** Edits that make `A[…]` a zero of its type; none for an operand that is used in any other way, as by a pointer to it. */
export function zeroedReads(module: Module, functions: readonly Function[], operands: readonly ReadOperand[]): Edit[] {
  const { tokens, match } = module;
  const names = new DataTaint(module, functions, []);
  return operands.flatMap(({ name, elementType }) => {
    const edits: Edit[] = [];
    for (const { bodyOpen, bodyClose } of functions)
      for (let at = bodyOpen + 1; at < bodyClose; at++) {
        if (tokens[at].text !== name || tokens[at - 1].text === '.' || !names.isOfModule(at)) continue;
        if (tokens[at - 1].text === '&' && tokens[at - 2].text === '(' && tokens[at - 3].text === 'arrayLength') continue;
        if (tokens[at + 1].text !== '[') return [];
        edits.push({ start: tokens[at].start, end: tokens[match[at + 1]].end, text: `${elementType}()` });
        // An index may read an operand too: it goes with it.
        at = match[at + 1];
      }
    return edits;
  });
}

/** Whether an edit is of what another one takes away; not what is put before or behind that. */
export const isWithin = (one: Edit, other: Edit): boolean => one !== other && other.start <= one.start && one.end <= other.end && one.start < other.end && one.end > other.start;
