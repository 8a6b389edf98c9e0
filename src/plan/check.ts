// The Plan checker: proves without running that every element of every result gets each device's
// contribution exactly once, that every tile runs once on every device, and that no wait is circular.
// It recomputes all of it from the Plan's own data, by other means than those that made the Plan.
import type { Plan } from './plan.ts';
import type { Tiling } from './tiling.ts';

/** Problems found, one line each; none means the Plan is proven. */
export function checkPlan(plan: Plan): string[] {
  return [...checkTiling(plan), ...checkStages(plan), ...checkSplits(plan), ...checkContributions(plan)];
}

function checkTiling({ tiling, devices }: Plan): string[] {
  const problems: string[] = [];
  const covered = tiling.chunks.map((chunk) => new Uint8Array(chunk.elements));
  for (let piece = 0; piece < tiling.parts * tiling.wavefronts; piece++) {
    const cover = covered[tiling.partChunk[Math.floor(piece / tiling.wavefronts)]];
    let elements = 0;
    for (let run = tiling.pieceRuns[piece]; run < tiling.pieceRuns[piece + 1]; run++)
      for (let at = tiling.runs[2 * run], end = at + tiling.runs[2 * run + 1]; at < end; at++, elements++) cover[at]++;
    if (elements !== tiling.pieceElements[piece]) problems.push(`piece ${piece} claims ${tiling.pieceElements[piece]} elements, its runs hold ${elements}`);
  }
  covered.forEach((cover, chunk) => {
    const at = cover.findIndex((times) => times !== 1);
    if (at >= 0) problems.push(`chunk ${chunk}: element ${at} is in ${cover[at]} pieces, not in one`);
  });
  problems.push(...checkChunks(tiling, devices), ...checkParts(tiling), ...checkBlocks(tiling));
  return problems;
}

/** The chunks of each matrix lie side by side along the axis, and cover it from edge to edge. */
function checkChunks({ m, n, axis, chunks }: Tiling, devices: number): string[] {
  const problems: string[] = [];
  const height = (m * devices) / chunks.length;
  chunks.forEach(({ row, column, rows, columns, elements }, j) => {
    const top = Math.floor(j / devices) * height;
    const first = j % devices === 0;
    const last = j % devices === devices - 1;
    const before = chunks[j - 1];
    const [start, end, wantStart, whole, across] = axis === 'rows'
      ? [row, row + rows, first ? top : before.row + before.rows, top + height, column === 0 && columns === n]
      : [column, column + columns, first ? 0 : before.column + before.columns, n, row === top && rows === height];
    if (start !== wantStart) problems.push(`chunk ${j} starts at ${start}, the one before it ends at ${wantStart}`);
    if (last && end !== whole) problems.push(`the chunks end at ${end}, the output has ${whole} ${axis}`);
    if (!across || elements !== rows * columns) problems.push(`chunk ${j} is ${rows} × ${columns} at (${row}, ${column}) with ${elements} elements`);
  });
  return problems;
}

/** Parts and tiles name each other. */
function checkParts({ parts, chunkParts, partChunk, partTile, tileParts, chunks }: Tiling): string[] {
  const problems: string[] = [];
  for (let part = 0; part < parts; part++) {
    const chunk = partChunk[part];
    if (!(part >= chunkParts[chunk] && part < chunkParts[chunk + 1])) problems.push(`part ${part} says it is of chunk ${chunk}, which has parts ${chunkParts[chunk]} to ${chunkParts[chunk + 1]}`);
    if (tileParts[partTile[part]]?.includes(part) !== true) problems.push(`part ${part} says it is of tile ${partTile[part]}, which does not have it`);
  }
  const named = tileParts.reduce((sum, list) => sum + list.length, 0);
  if (named !== parts || chunkParts[chunks.length] !== parts) problems.push(`tiles name ${named} parts, chunks ${chunkParts[chunks.length]}, there are ${parts}`);
  return problems;
}

/** Blocks cut each chunk's parts in order, all of one size but for the last, and agree with what else is said of them. */
function checkBlocks({ blocks, blockParts, blockElements, partBlock, partChunk, chunkParts, pieceElements, wavefronts, chunks }: Tiling): string[] {
  const problems: string[] = [];
  let size = 1;
  for (let block = 0; block < blocks; block++) size = Math.max(size, blockParts[block + 1] - blockParts[block]);
  let block = 0;
  chunks.forEach((_, chunk) => {
    for (let part = chunkParts[chunk]; part < chunkParts[chunk + 1]; part += size, block++) {
      const end = Math.min(part + size, chunkParts[chunk + 1]);
      if (blockParts[block] !== part || blockParts[block + 1] !== end) problems.push(`block ${block} of chunk ${chunk} holds parts ${blockParts[block]} to ${blockParts[block + 1]}, not ${part} to ${end}`);
      let elements = 0;
      for (let piece = part * wavefronts; piece < end * wavefronts; piece++) elements += pieceElements[piece];
      if (blockElements[block] !== elements) problems.push(`block ${block} claims ${blockElements[block]} elements, its pieces hold ${elements}`);
      for (let of = part; of < end; of++) if (partBlock[of] !== block || partChunk[of] !== chunk) problems.push(`part ${of} says it is of block ${partBlock[of]}, not ${block}`);
    }
  });
  if (block !== blocks) problems.push(`the chunks need ${block} blocks, there are ${blocks}`);
  return problems;
}

function checkStages({ tiling, stages, mapping }: Plan): string[] {
  return stages.flatMap((mine, device) => {
    const problems: string[] = [];
    const times = new Uint8Array(tiling.tiles);
    mine.forEach(({ step, tiles }, index) => {
      if (index > 0 && step < mine[index - 1].step) problems.push(`device ${device}: stage ${index} goes back to step ${step + 1}`);
      for (const tile of tiles) {
        times[tile]++;
        const steps = tiling.tileParts[tile].map((part) => mapping.order[device].indexOf(tiling.partChunk[part]));
        if (Math.min(...steps) !== step) problems.push(`device ${device}: tile ${tile} runs in step ${step + 1}, its chunks are due in ${steps.map((s) => s + 1).join(', ')}`);
      }
    });
    for (let tile = 0; tile < tiling.tiles; tile++) {
      const due = tiling.tileParts[tile].length > 0 ? 1 : 0;
      if (times[tile] !== due) problems.push(`device ${device}: tile ${tile} runs ${times[tile]} times, not ${due}`);
    }
    return problems;
  });
}

/** Every split runs a workgroup of its own for every tile: else a partial product is missing, or added twice. */
function checkSplits({ tiling, twins }: Plan): string[] {
  const of = new Int32Array(tiling.tiles).fill(-1);
  const problems: string[] = [];
  tiling.tileParts.forEach((parts, tile) => {
    if (parts.length === 0) return;
    for (const [split, workgroup] of [tile, ...twins.map((twin) => twin[tile])].entries()) {
      if (!(workgroup < tiling.tiles) || of[workgroup] !== -1) problems.push(`split ${split} of tile ${tile} is workgroup ${workgroup}, ${workgroup < tiling.tiles ? `which runs for tile ${of[workgroup]}` : 'which there is not'}`);
      else of[workgroup] = tile;
    }
  });
  return problems;
}

/** Follows every store and DMA to where it ends; exact for chunks, and so for all elements of their pieces. */
function checkContributions({ devices, mapping, tiling }: Plan): string[] {
  const problems: string[] = [];
  for (let chunk = 0; chunk < tiling.chunks.length; chunk++) {
    if (tiling.chunks[chunk].elements === 0) continue;
    const arrivals: string[][] = Array.from({ length: devices }, () => []);
    mapping.routes.forEach((routes, d) => {
      const { storeTo, whenComplete } = routes[chunk];
      arrivals[storeTo].push(storeTo === d ? 'local' : `remote ${d}`);
      if (whenComplete.kind === 'dma') arrivals[whenComplete.to].push(`dma ${d}`);
    });
    const holds: (readonly number[] | 'open' | undefined)[] = Array.from({ length: devices });
    /** Devices whose contribution is in d's memory once the chunk is complete there, with repetition. */
    const contributors = (d: number): readonly number[] => {
      if (holds[d] === 'open') {
        problems.push(`chunk ${chunk}: circular wait through device ${d}`);
        return [];
      }
      if (holds[d] !== undefined) return holds[d];
      holds[d] = 'open';
      const list: number[] = [];
      mapping.routes.forEach((routes, p) => {
        const { storeTo, whenComplete } = routes[chunk];
        if (storeTo === d) list.push(p);
        if (whenComplete.kind === 'dma' && whenComplete.to === d) list.push(...contributors(p));
      });
      holds[d] = list;
      return list;
    };
    let owners = 0;
    mapping.routes.forEach((routes, d) => {
      const { expects, whenComplete } = routes[chunk];
      const expected = expects.map((source) => (source.kind === 'local' ? 'local' : `${source.kind} ${source.from}`));
      const tracked = whenComplete.kind !== 'untracked';
      if (tracked !== expected.length > 0 || expected.toSorted().join() !== arrivals[d].toSorted().join())
        problems.push(`chunk ${chunk} on device ${d} expects [${expected.join(', ')}], the Plan sends [${arrivals[d].join(', ')}]`);
      const list = contributors(d).toSorted((a, b) => a - b);
      if (whenComplete.kind !== 'done') return;
      owners++;
      if (d !== chunk % devices) problems.push(`chunk ${chunk} ends on device ${d}`);
      if (list.length !== devices || list.some((p, index) => p !== index)) problems.push(`chunk ${chunk} on its owner sums the contributions of devices [${list.join(', ')}]`);
    });
    if (owners !== 1) problems.push(`chunk ${chunk} is done on ${owners} devices, not on one`);
  }
  return problems;
}
