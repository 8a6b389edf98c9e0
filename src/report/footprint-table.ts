// A footprint as text: which workgroup and wavefront writes what, in which step, stage and chunk of one device. A long
// table is cut in the middle, with a count of what was left out.
import type { Placement } from '../plan/placement.ts';

/** Rows printed of a longer table, half of them at each end. */
export const MOST_ROWS = 48;

export function footprintTable(placements: readonly Placement[], grid: readonly [number, number, number], mostRows = MOST_ROWS): string[] {
  const flat = grid[1] * grid[2] === 1;
  const range = ([first, last]: readonly [number, number]): string => (first === last ? `${first}` : `${first}–${last}`);
  const head = ['step', 'stage', 'chunk', 'workgroup', 'wavefront', 'rows', 'columns', 'elements', 'runs', 'straddles'];
  const row = ({ step, stage, chunk, workgroup, id, wavefront, rows, columns, elements, runs, straddles }: Placement): string[] => [
    `${step}`, `${stage}`, `${chunk}`, flat ? `${workgroup}` : `${workgroup} (${id.slice(0, grid[2] === 1 ? 2 : 3).join(', ')})`, `${wavefront}`, range(rows), range(columns), `${elements}`, `${runs}`, straddles ? 'yes' : '',
  ];
  const cut = placements.length > mostRows;
  const before = Math.ceil(mostRows / 2);
  const shown = cut ? [...placements.slice(0, before), ...placements.slice(placements.length - (mostRows - before))] : placements;
  const lines = columns([head, ...shown.map(row)]);
  if (cut) lines.splice(1 + before, 0, `… ${placements.length - mostRows} more rows: --json has all …`);
  return lines;
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((row) => row[at].length)));
  return rows.map((row) => row.map((cell, at) => cell.padStart(widths[at])).join('  ').trimEnd());
}
