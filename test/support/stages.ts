/** Stages of a step by default: four, and fewer where devices² · four would be more than 4096. */
export const stagesByDefault = (devices: number): number => (devices <= 32 ? 4 : devices <= 36 ? 3 : devices <= 45 ? 2 : 1);
