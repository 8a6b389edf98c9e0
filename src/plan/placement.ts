// Who writes what, where and when, for one device: a row for each piece, in the order in which the device's stages
// come to it. What `tilewire instrument` prints of a footprint; pure data.
import type { Plan } from './plan.ts';
import { elementAt } from './tiling.ts';

export interface Placement {
  /** Linear id of the workgroup, and its `workgroup_id`. */
  readonly workgroup: number;
  readonly id: readonly [number, number, number];
  readonly wavefront: number;
  /** 1-based; that of the workgroup's earliest chunk. */
  readonly step: number;
  /** 1-based over all stages of the device. */
  readonly stage: number;
  readonly chunk: number;
  /** Device whose memory takes the stores. */
  readonly storesTo: number;
  /** Bounding box, both ends included. */
  readonly rows: readonly [first: number, last: number];
  readonly columns: readonly [first: number, last: number];
  readonly elements: number;
  /** Maximal runs in the chunk's dense row-major memory. */
  readonly runs: number;
  /** The workgroup writes to other chunks too. */
  readonly straddles: boolean;
}

export function placementsOf({ tiling, mapping, stages }: Plan, device: number): Placement[] {
  const { wavefronts, grid: [x, y] } = tiling;
  return stages[device].flatMap(({ step, tiles }, stage) =>
    tiles.flatMap((workgroup) =>
      tiling.tileParts[workgroup].flatMap((part) =>
        Array.from({ length: wavefronts }, (_, wavefront) => ({ wavefront, piece: part * wavefronts + wavefront }))
          .filter(({ piece }) => tiling.pieceElements[piece] > 0)
          .map(({ wavefront, piece }): Placement => {
            const chunk = tiling.partChunk[part];
            return {
              workgroup,
              id: [workgroup % x, Math.floor(workgroup / x) % y, Math.floor(workgroup / (x * y))],
              wavefront,
              step: step + 1,
              stage: stage + 1,
              chunk,
              storesTo: mapping.routes[device][chunk].storeTo,
              ...boxOf(tiling, chunk, piece),
              elements: tiling.pieceElements[piece],
              runs: tiling.pieceRuns[piece + 1] - tiling.pieceRuns[piece],
              straddles: tiling.tileParts[workgroup].length > 1,
            };
          }),
      ),
    ),
  );
}

function boxOf({ chunks, pieceRuns, runs }: Plan['tiling'], chunk: number, piece: number): Pick<Placement, 'rows' | 'columns'> {
  const of = chunks[chunk];
  const rows: [number, number] = [Infinity, -1];
  const columns: [number, number] = [Infinity, -1];
  const take = ({ row, column }: { row: number; column: number }): void => {
    rows[0] = Math.min(rows[0], row);
    rows[1] = Math.max(rows[1], row);
    columns[0] = Math.min(columns[0], column);
    columns[1] = Math.max(columns[1], column);
  };
  for (let run = pieceRuns[piece]; run < pieceRuns[piece + 1]; run++) {
    const first = runs[2 * run];
    const last = first + runs[2 * run + 1] - 1;
    take(elementAt(of, first));
    take(elementAt(of, last));
    // One that goes over the end of a row has that row's end and the next one's beginning.
    const rowEnd = (Math.floor(first / of.columns) + 1) * of.columns;
    if (rowEnd > last) continue;
    take(elementAt(of, rowEnd - 1));
    take(elementAt(of, rowEnd));
  }
  return { rows, columns };
}
