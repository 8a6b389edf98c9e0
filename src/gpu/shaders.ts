// The text of every shader that is not a GEMM, in one place.
import accumulate from '../../shaders/accumulate.wgsl';
import compare from '../../shaders/compare.wgsl';
import epilogue from '../../shaders/epilogue.wgsl';
import fill from '../../shaders/fill.wgsl';
import linear from '../../shaders/linear.wgsl';
import nmc from '../../shaders/nmc.wgsl';
import operands from '../../shaders/operands.wgsl';
import outputSpace from '../../shaders/output-space.wgsl';
import packHalves from '../../shaders/pack-halves.wgsl';
import probeSpace from '../../shaders/probe-space.wgsl';
import projection from '../../shaders/projection.wgsl';
import quads from '../../shaders/quads.wgsl';
import reference from '../../shaders/reference.wgsl';
import scale from '../../shaders/scale.wgsl';
import splitSpace from '../../shaders/split-space.wgsl';
import tracker from '../../shaders/tracker.wgsl';
import transfer from '../../shaders/transfer.wgsl';
import transpose from '../../shaders/transpose.wgsl';
import vectorStores from '../../shaders/vector-stores.wgsl';

export const SHADERS = { accumulate, compare, epilogue, fill, linear, nmc, operands, outputSpace, packHalves, probeSpace, projection, quads, reference, scale, splitSpace, tracker, transfer, transpose, vectorStores };
