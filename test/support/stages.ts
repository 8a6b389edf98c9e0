/** Stages of a step by default: four, and fewer where devices² · four would be more than 4096. */
export const stagesByDefault = (devices: number): number => (devices <= 32 ? 4 : devices <= 36 ? 3 : devices <= 45 ? 2 : 1);

/** Tiles of a stage by default: as few as make no more stages than that, or one more, where that is an even number, no more than there are, and makes no fewer stages. */
export function stageTilesByDefault(tiles: number, devices: number): number {
  const least = Math.ceil(tiles / stagesByDefault(devices));
  const stages = (stage: number): number => Math.ceil(tiles / stage);
  return [least, least + 1].find((stage) => stage % 2 === 0 && stage <= tiles && stages(stage) === stages(least)) ?? least;
}
