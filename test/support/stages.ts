/** Stages of a step by default: four, and fewer where all devices' in all steps would be more than 4096. */
export const stagesByDefault = (devices: number, steps = devices): number => [4, 3, 2].find((stages) => stages * devices * steps <= 4096) ?? 1;

/** Tiles of a stage by default: as few as make no more stages than that, or one more, where that is an even number, no more than there are, and makes no fewer stages. */
export function stageTilesByDefault(tiles: number, devices: number, steps = devices): number {
  const least = Math.ceil(tiles / stagesByDefault(devices, steps));
  const stages = (stage: number): number => Math.ceil(tiles / stage);
  return [least, least + 1].find((stage) => stage % 2 === 0 && stage <= tiles && stages(stage) === stages(least)) ?? least;
}
