// The geometry of a footprint: areas of equal key as rectangles, borders between elements as lines. Found from the owner
// of each element, nothing is assumed of shapes; what would be too much to draw is sampled or left out, and said.
import type { Footprint } from '../plan/footprint.ts';

export interface Regions {
  /** By key: row, column, rows, columns; they do not overlap and cover every element, or every sampled square. */
  readonly rectangles: ReadonlyMap<number, readonly (readonly [number, number, number, number])[]>;
  /** 1, or the side of the squares of which one element each was looked at. */
  readonly sampled: number;
}

/** @param keyOf by owner @param most rectangles; more than that, and the footprint is sampled more and more coarsely */
export function regionsOf(footprint: Footprint, keyOf: Int32Array, most: number): Regions {
  for (let side = 1; ; side *= 2) {
    const rectangles = rectanglesOf(footprint, keyOf, side, most);
    if (rectangles !== null) return { rectangles, sampled: side };
  }
}

/** Runs of each row, one that continues the same run of the row above it made part of that rectangle. */
function rectanglesOf({ m, n, owner }: Footprint, keyOf: Int32Array, side: number, most: number): Map<number, [number, number, number, number][]> | null {
  const found = new Map<number, [number, number, number, number][]>();
  let count = 0;
  let above = new Map<number, [number, number, number, number]>();
  for (let row = 0; row < m; row += side) {
    const rows = Math.min(side, m - row);
    const here = new Map<number, [number, number, number, number]>();
    for (let from = 0; from < n; ) {
      const key = keyOf[owner[row * n + from]];
      let to = from + side;
      while (to < n && keyOf[owner[row * n + to]] === key) to += side;
      to = Math.min(to, n);
      const same = above.get(from);
      if (same !== undefined && same[3] === to - from && keyOf[owner[same[0] * n + from]] === key) {
        same[2] += rows;
        here.set(from, same);
      } else {
        if (++count > most) return null;
        const rectangle: [number, number, number, number] = [row, from, rows, to - from];
        here.set(from, rectangle);
        const of = found.get(key);
        if (of === undefined) found.set(key, [rectangle]);
        else of.push(rectangle);
      }
      from = to;
    }
    above = here;
  }
  return found;
}

/** Lines between elements: at a row (or column), from one column (or row) to another. */
export interface Borders {
  readonly horizontal: readonly (readonly [at: number, from: number, to: number])[];
  readonly vertical: readonly (readonly [at: number, from: number, to: number])[];
}

/** Borders between elements whose owners `differ`; null when there are more lines than `most`. */
export function bordersOf({ m, n, owner }: Footprint, differ: (one: number, other: number) => boolean, most: number): Borders | null {
  const horizontal = lines(m, n, (row, column) => differ(owner[(row - 1) * n + column], owner[row * n + column]), most);
  const vertical = lines(n, m, (column, row) => differ(owner[row * n + column - 1], owner[row * n + column]), most);
  return horizontal === null || vertical === null ? null : { horizontal, vertical };
}

function lines(across: number, along: number, isBorder: (at: number, along: number) => boolean, most: number): [number, number, number][] | null {
  const found: [number, number, number][] = [];
  for (let at = 1; at < across; at++)
    for (let from = 0; from < along; from++) {
      if (!isBorder(at, from)) continue;
      let to = from + 1;
      while (to < along && isBorder(at, to)) to++;
      if (found.length === most) return null;
      found.push([at, from, to]);
      from = to;
    }
  return found;
}

/** Mean distance between the lines, in elements; Infinity where there is none. */
export function spacingOf({ horizontal, vertical }: Borders, { m, n }: Footprint): { readonly rows: number; readonly columns: number } {
  const length = (of: Borders['horizontal']): number => of.reduce((sum, [, from, to]) => sum + to - from, 0);
  return { rows: (m * n) / length(horizontal), columns: (m * n) / length(vertical) };
}
