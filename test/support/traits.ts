// Adapters as a test needs them.
import type { AdapterTraits } from '../../src/spec/spec.ts';

/** A software adapter that has everything. */
export const SOFTWARE: AdapterTraits = { isFallback: true, quads: true, f16: true, matrices: true, triggerCost: { readbackUs: 300, directUs: 20, indirectUs: 25, lookUs: 60 } };
