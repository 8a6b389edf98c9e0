// The Plan checker: proves without running that every element of every result gets each device's
// contribution exactly once, that every tile runs once on every device, and that no wait is circular.
// It recomputes all of it from the Plan's own data, by other means than those that made the Plan.
import type { Plan } from './plan.ts';

/** Problems found, one line each; none means the Plan is proven. */
export function checkPlan(plan: Plan): string[] {
  return [...checkTiling(plan), ...checkStages(plan), ...checkContributions(plan)];
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
  const elements = tiling.chunks.reduce((sum, chunk) => sum + chunk.elements, 0);
  if (elements !== tiling.m * tiling.n) problems.push(`${devices} chunks hold ${elements} elements, the output has ${tiling.m * tiling.n}`);
  for (let chunk = 0; chunk < devices; chunk++) {
    let next = tiling.chunkParts[chunk];
    for (let block = 0; block < tiling.blocks; block++)
      if (tiling.partChunk[tiling.blockParts[block]] === chunk) {
        if (tiling.blockParts[block] !== next) problems.push(`block ${block} of chunk ${chunk} does not follow the one before it`);
        next = tiling.blockParts[block + 1];
      }
    if (next !== tiling.chunkParts[chunk + 1]) problems.push(`the blocks of chunk ${chunk} end at part ${next}, its parts at ${tiling.chunkParts[chunk + 1]}`);
  }
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

/** Follows every store and DMA to where it ends; exact for chunks, and so for all elements of their pieces. */
function checkContributions({ devices, mapping, tiling }: Plan): string[] {
  const problems: string[] = [];
  for (let chunk = 0; chunk < devices; chunk++) {
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
      if (d !== chunk) problems.push(`chunk ${chunk} ends on device ${d}`);
      if (list.length !== devices || list.some((p, index) => p !== index)) problems.push(`chunk ${chunk} on its owner sums the contributions of devices [${list.join(', ')}]`);
    });
    if (owners !== 1) problems.push(`chunk ${chunk} is done on ${owners} devices, not on one`);
  }
  return problems;
}
