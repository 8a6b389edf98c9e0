// The texts of the help pages that commander does not make from the flags: what a command does, the model
// zoo, examples, what the printed figures mean, exit codes.
import { BREAKDOWN_TERMS, CHANGE_TERMS, CHECK_TERMS, COLUMNS, columnsOf, LEDGER_TERMS, MEASURED_FIGURES, PATH_TERMS, REPLAYED_BASIS, REPLAYED_FIGURES } from '../report/figures.ts';
import { DEFAULT_TOKENS } from '../spec/resolve.ts';
import { LAYERS, MODELS } from '../spec/zoo.ts';
import { BINDINGS_EXAMPLE } from './bindings-example.ts';

const EXIT_CODES = `
Exit codes:
  0    all right
  1    the run is wrong: values, causality, ledger, tracker, a stall, no work done
  2    bad input: flags, files, Spec, memory limit, operands that cannot be proven exact
  3    the machine: no browser or adapter, requestAdapter hung, device or backend died, --require-hardware unmet
  4    --timeout passed without progress
  70   a bug in tilewire
  130  interrupted
`;

const WIDTH = 110;

/** Names in a column, definitions beside them, wrapped. */
function list(terms: readonly { readonly name: string; readonly definition: string }[]): string {
  const column = Math.max(...terms.map(({ name }) => name.length)) + 4;
  return terms.map(({ name, definition }) => `  ${name}`.padEnd(column) + wrap(definition, WIDTH - column).join(`\n${' '.repeat(column)}`)).join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!;
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}

const ZOO = `
Models (hidden size; m = tokens, n = hidden, K split over --tp devices; TP that does not divide K is an error):
${list(MODELS.map(({ name, hidden, totalK, tokens, tp }) => ({ name, definition: `hidden ${hidden}, tokens ${tokens}, TP ${tp.join(' or ')}, total K: ${Object.entries(totalK).map(([layer, k]) => `${layer} ${k}`).join(', ')}` })))}

Layers:
${list(LAYERS.map(({ name, pass, what }) => ({ name, definition: `${pass}: ${what}` })))}
`;

const FIGURES = `
Printed figures (a dash is a figure that was not measured; its footnote says why; GB = 1e9 bytes):
${list(CHECK_TERMS)}

  ledger, bytes summed over devices; must balance against closed forms:
${list(LEDGER_TERMS)}

  measured:
${list(MEASURED_FIGURES)}

  replayed, ${REPLAYED_BASIS}:
${list(REPLAYED_FIGURES)}

Three kinds of overlap are never mixed: overlapMeasured is what the GPU did, interleaved what the schedule
did (on a serial adapter, such as the software fallback, the first is 0 and the second is not). replayed.overlap
is what real devices would overlap if each stage, transfer and reduction took them as long as it was measured to
take here: neither measured nor modelled. A group's time is shared out over its blocks by bytes, and what waits
is what the Plan makes wait; epochs, lag and skew are the emulation's and have no place in it. Stores to a peer
are part of their stage and take no link time of their own: all that travels with direct, and the first step on
a ring.
`;

const BINDINGS = `
A kernel of your own (--kernel FILE.wgsl of run, FILE.wgsl of instrument) needs no change. Its text tells which bindings are
A, B and C and which uniform fields and overrides are m, n and k, by type and by name; the dispatch grid is
never in it. The rest is said by a bindings file, FILE.json beside the kernel or --bindings, e.g.
${BINDINGS_EXAMPLE.replace(/^/gm, '  ')}
Numbers, or expressions of m, n, k and the overrides with + - * / %, parentheses, min, max and ceilDiv. What is
said by the text may be left out; often { "grid": […] } is all. \`tilewire instrument --schema\` prints the JSON Schema.
What each workgroup writes is never declared: it is found by running the kernel, with its stores marked.

What a kernel is besides one plain product, so that the Plan and the check know of it:
  "splits": { "axis": "z", "count": 4 }   split-K: workgroup_id.z is the split, each stores every element once, to the
                                          same C; one dispatch a split, and the memory adds
  "batch": 8                              A is 8 x m x k, B 8 x k x n, C 8 x m x n; each matrix a collective of its own
  "ldc": "ceilDiv(n, 64) * 64"            elements from row to row of C
  "halves": ["a", "b"]                    operands that are f16; by their type, but for u32 that holds two each
  "epilogue": { "alpha": 0.5,
    "bias": { "binding": "bias", "along": "n" },      device 0 gets the bias, the others zeros: the sum has it once;
                                                      or { "along": "n", "after": true }: the owners add it at last
    "residual": { "binding": "R", "beta": 2 } }       likewise; C = alpha*A*B + bias + beta*R
alpha and beta may be used in expressions. An activation cannot be fused: it would come before the sum over devices.
`;

const OPERAND_FILES = `
Operands from files (--a FILE --b FILE --tp N): C = A * B of your own matrices, K split over the devices. Each is
  FILE.npy                    a two-dimensional array of np.save, '<f4' '>f4' '<f2' or '>f2', C or Fortran order
  FILE.safetensors#TENSOR     a two-dimensional tensor, F32, F16 or BF16
  FOLDER#TENSOR               the same out of shards, by model.safetensors.index.json (or model.safetensors alone)
Values are widened to f32 and must be finite; each device's part is read by its range. K need not be divisible:
slices differ by at most one, the longer ones first. --layout says how the files are stored, A first: nn (default)
is A m x K, B K x n; t is the transpose, so --layout nt takes a weight n x K of a torch Linear. The result is
checked against a float64 reference. A report names the files and their SHA-256, it does not hold them: to replay
it, give --a and --b beside --spec.

A model of your own (--config FILE --layer NAME --tp N): m, n and K of a sub-layer out of a Hugging Face config.json
(Llama, Mistral, Qwen, Gemma, GPT-2, GPT-NeoX, Mixtral, DeepSeek and the like). o_proj (or op) and down_proj (or fc2)
are there in all of them; without --layer they are listed. TP must leave attention heads whole. A config says how
long a sequence may be, not how many tokens come together: --tokens is ${DEFAULT_TOKENS} unless given. Operands are
generated; with --a and --b as well, K and n must be the config's, --layout follows from its weights, and --b may be
the FOLDER of the model where one tensor's name is that of the sub-layer.
`;

export const manual = {
  program: `
A tensor-parallel GEMM runs on emulated devices through WebGPU in a headless Chrome, tracked and triggered as
T3's hardware does it (ASPLOS 2024): each output tile is counted as it lands, and its transfer and reduction
start while later tiles are still being computed. Every element of the result is checked. The commands model and paper
need no GPU: they say what schedules would gain on a machine that is described.

Examples:
  tilewire start
  tilewire run --model t-nlg --layer fc2 --tp 8 --tokens 256 --baseline
  tilewire model --model t-nlg --layer fc2 --tp 8
  tilewire run --help
${EXIT_CODES}`,

  start: {
    what: 'The main job, what `npm start` runs: a fused GEMM + reduce-scatter on two inputs, each proven right and compared with\nGEMM-then-collective: FC-2 of T-NLG at TP 8, the first 256 tokens, exact operands; and FC-2 of a trained Transformer at TP 4.\nWrites one report with two runs.',
    more: `
Examples:
  npm start
  npm start -- --json report.json
  tilewire start --require-hardware --browser /usr/bin/google-chrome
${FIGURES}${EXIT_CODES}`,
  },

  run: {
    what: 'Run a fused GEMM + collective over emulated devices, check every element of the result, and report what overlapped with what.\nC = sum over devices of A_d (m x k) * B_d (k x n); device d ends up owning chunk d of C.',
    more: `${ZOO}
Examples:
  tilewire run --model t-nlg --layer fc2 --tp 8 --tokens 256 --baseline
  tilewire run --m 512 --n 384 --k 128 --devices 5 --algorithm direct --chunk columns
  tilewire run --m 256 --n 256 --k 64 --devices 4 --operands normal --seed 7 --json run.json
  tilewire run --spec run.json
  tilewire run --a acts.npy --b model.safetensors#model.layers.0.mlp.down_proj.weight --layout nt --tp 4 --json run.json
  tilewire run --spec run.json --a acts.npy --b model.safetensors#model.layers.0.mlp.down_proj.weight
  tilewire run --config config.json --layer down_proj --tp 8 --tokens 256
  tilewire run --m 256 --n 256 --k 64 --devices 4 --fault drop-transfer:device=1,chunk=0,tile=0
  tilewire run --kernel mine.wgsl --bindings mine.json --m 256 --n 256 --k 64 --devices 4
${OPERAND_FILES}${BINDINGS}${FIGURES}${EXIT_CODES}`,
  },

  plan: {
    what: 'Derive, check and print a Plan without a GPU: which device computes which chunk in which step, where its stores go, what each\ntrigger sends, and the proof that every element gets each device\'s contribution exactly once.',
    more: `${ZOO}
Examples:
  tilewire plan --model t-nlg --layer fc2 --tp 8 --tokens 256
  tilewire plan --m 100 --n 70 --k 32 --devices 3 --json plan.json
  tilewire plan --config config.json --layer o_proj --tp 8
  tilewire plan --a acts.npy --b weights.npy --tp 3
${OPERAND_FILES}${EXIT_CODES}`,
  },

  instrument: {
    what: 'Print a kernel as the fused run would compile it, with a line map back to its file, and its footprint:\nwhich workgroup and wavefront writes what, in which step, stage and chunk of a device. The kernel is\ncompiled untouched and then run with its stores marked to find that. All of stdout is one WGSL file: header,\nmap and table are comments.',
    more: `
The table has a row for each wavefront of each workgroup and chunk, in the order in which the device comes
to them: step and stage (from 1), chunk, workgroup as linear id and workgroup_id, bounding box of what it
writes (rows, columns, both ends included), elements, runs in the chunk's row-major memory, and whether the
workgroup straddles chunks.

Examples:
  tilewire instrument mine.wgsl --m 256 --n 256 --k 64 --devices 4 --svg footprint.svg
  tilewire instrument mine.wgsl --entry tiled --bindings mine.json --m 256 --n 256 --k 64 --devices 4 --no-probe
  tilewire instrument gemm-register --model t-nlg --layer fc2 --tp 8 --tokens 256 --device 3 --json rows.json
  tilewire instrument gemm-register --config config.json --layer o_proj --tp 8 --tokens 256 --no-probe
  tilewire instrument --schema
${BINDINGS}${ZOO}${EXIT_CODES}`,
  },

  tiles: {
    what: 'Profile tile shapes on this adapter: every built-in kernel at every likely tile (or a kernel of your own at all combinations of\nits override constants), for one GEMM shape or, with --model or --config and no --layer, for all sub-layers of a model.',
    more: `
The timer's resolution is measured first, and each candidate repeated until a sample is at least 50 steps of it; where that
cannot be had, it is not ranked. A long GEMM of a built-in kernel is timed by a part of its grid. Each candidate's output is
held against an exact reference before it is timed, and all elements once more before it is ranked: a wrong kernel never is. Candidates take turns in rounds, in random order; the first
round sorts out and is not compared. Who falls behind is stopped early, and that is said. Whether one differs from the best
is Wilcoxon's signed-rank test on the log-ratios of a round, 5 % shared by all pairs. --fused then makes whole fused runs
of the best four, with half, once and twice the tiles per stage and blocks of 2, 8 and 32 tiles: not the same ranking.
The best tile is kept in the cache folder (see doctor), by adapter (as WebGPU names it), browser, kernels and class of shape,
unless the kernels were chosen with --kernels or are your own; what --fused found, by devices, algorithm and chunks as well.
\`run\` takes the fused choice on several devices, the plain one on a single device, and neither with --no-cache. Exit status 1: nothing could be ranked.

Examples:
  tilewire tiles --m 256 --n 4256 --k 2128
  tilewire tiles --model t-nlg --tp 8 --tokens 256 --csv tiles.csv --html tiles.html
  tilewire tiles --model t-nlg --layer fc2 --tp 8 --tokens 256 --fused --seconds 900
  tilewire tiles --kernel mine.wgsl --vary TM=32,64,128 --vary TN=32,64 --m 512 --n 512 --k 512
${BINDINGS}${ZOO}${EXIT_CODES}`,
  },

  model: {
    what: 'Model a fused GEMM + reduce-scatter (and the serial all-gather) on a machine that is described, not present: the same Plan and\nthe same tracker as `run`, on a virtual clock. No GPU, no operands, nothing measured.',
    more: `
Machines:
  paper          the machine of T3's evaluation (ASPLOS 2024)
  paper-2x-cu    the same with twice the CUs
  mi210, mi300x, a100, h100, h200, b200
  this           the local adapter, as \`tilewire doctor --calibrate\` measured it last
  FILE.json      one of your own: --machine-schema prints its JSON Schema; each number is {"value": …, "source": "…"}

Schedules (how each one's time comes about is printed with it; * marks those that are put together from parts):
  sequential             GEMM, then ring reduce-scatter on the CUs; what speedups are over
  concurrent-cu-split    both at once, of GEMM after GEMM, each on a share of the CUs, in one memory
  chunk-decomposed       a small GEMM for each chunk, its transfer while the next one runs (\`run --algorithm chunk-ring\`)
  tile-signal            counters, polled by a kernel that starts the collective in quarters
  direct-store           tiles stored to their owner as they are made
  t3                     tracker, DMA, updates at memory; the memory takes turns
  t3-mca                 the same with T3's arbitration: compute first, communication below a threshold
  t3-compute-first       the same without the threshold
  multimem               reduction in the switch
  ideal-overlap          max(GEMM, reduce-scatter)
  ideal-nmc              the same with updates at memory

How the machine works inside is one parameter set for everything: \`tilewire paper\` prints it with its sources. Most of it is
assumption. A machine may have elementBytes, updateFactor, cuCopyGBs and launchNs of its own, under "parameters", where they
were measured on it; --json holds what was used. Shapes are not bounded by what one GPU could run. Devices that do the same are
simulated once; --schedule all leaves out what the machine's links do not carry. With --skew (of --seed) every device is
simulated, and the GEMM of the baseline is that of the slowest one. --splits gives each tile a workgroup for each part of k: the
stores of T3 are that many updates, which the tracker waits for; a plain GEMM adds them in the LLC. With --overflow stall what
finds its set of the tracker full is not counted until a way is free, which holds triggers back, and every device is simulated;
spill keeps such entries in memory, counted and at no cost.

Examples:
  tilewire model --model t-nlg --layer fc2 --tp 8
  tilewire model --model llama-70b --layer fc2 --schedule all --json model.json
  tilewire model --m 4096 --n 4096 --k 512 --devices 8 --machine mine.json --topology switch
  tilewire model --machine this --m 256 --n 4256 --k 2128 --devices 8
  tilewire model --machine-schema
${ZOO}${EXIT_CODES}`,
  },

  explain: {
    what: 'Why a fused schedule takes the time that it takes on a machine that is described, not present: what fusing\nchanges, the critical path by cause, where the CUs\' time went, and two maps of where the schedule wins,\nbreaks even or loses. With --run: why a run that was measured took its time, in columns of its own.',
    more: `
All devices are simulated, since a path goes from one to the next; in the maps one stands for all, and both hold this shape.
The first is over m and tile, the second over devices and link bandwidth; they keep n and, over all devices, K.
Only t3, t3-mca and t3-compute-first are one run with a critical path; \`tilewire model\` compares all schedules.

Critical path, from the run's last update back to its beginning; its causes sum to the time without the all-gather:
${list(Object.entries(PATH_TERMS).map(([name, definition]) => ({ name, definition })))}

What fusing changes of the time of sequential; the three sum to the difference:
${list(CHANGE_TERMS)}

Where the CUs' time went, on the device that finishes last, means over the workgroups that its CUs hold:
${list(BREAKDOWN_TERMS)}

--run FILE explains every run in a report of \`run --json\` or \`start --json\`. Shape, devices and chunks are the file's; --machine and
--schedule say what stands in the modelled column, which is empty where the model cannot take the Spec. With --baseline the
report also says what each plain part took. Three clocks, never in one column:
${list(columnsOf().map((name) => ({ name, definition: COLUMNS[name] })))}

--json writes times, path (each segment), breakdown and maps, in picoseconds; with --run, runs of {spec, measured, replayed, time, modelled}.

Examples:
  tilewire explain --model t-nlg --layer fc2 --tp 8
  tilewire explain --model t-nlg --layer op --tp 8 --schedule t3 --json why.json --html why.html
  tilewire explain --m 4096 --n 4096 --k 512 --devices 8 --machine h100
  tilewire explain --run report.json --html why.html
${ZOO}${EXIT_CODES}`,
  },

  paper: {
    what: "T3's evaluation (ASPLOS 2024) again, by the model: every model, TP degree and sub-layer under its five configurations, and what\nwas published beside what comes out. One parameter set for all cases, printed with its sources.",
    more: `
"not given" is a published value that this project does not have; ours stands there all the same. The set was chosen on
the TP 8 cases; TP 16 and 32 are predictions. --sensitivity changes one thing at a time (ablations), and draws other
sets and counts how many of them fit as well: a hit proves little where many hit.

--json writes parameters, cases, summary, search, ablations, endToEnd, assumptions (of endToEnd), cuSharing, traffic, studies and notes;
search and ablations are null without --sensitivity. Other machines stand under studies. --html has the tables that are printed as well.

Examples:
  tilewire paper
  tilewire paper --json paper.json --html paper.html
  tilewire paper --sensitivity
${EXIT_CODES}`,
  },

  doctor: {
    what: 'Say which browser, adapter, features, limits and timer resolution were found, and everything that was tried to find them.\nCandidates: --browser (which excludes the others), PUPPETEER_EXECUTABLE_PATH, an installed Chrome or Chromium, puppeteer\'s\ncache, the packaged Chromium (Linux x64; unpacked once into $XDG_CACHE_HOME/tilewire or ~/.cache/tilewire). With --backend node:\nwhat the system\'s Vulkan (Metal, Direct3D) offers to npm webgpu, then the SwiftShader of the packaged Chromium.',
    more: `
--calibrate makes a machine of this adapter for \`tilewire model --machine this\` and \`tilewire explain --machine this\`, in the cache
folder, one for each adapter and browser; of several the last counts. It measures, in many samples well above the timer's
resolution, the GEMM rate of the fastest kernel that run would choose (f32, all elements right), the copy and the
near-memory update of the emulation's own kernels (all elements right, before and after), a dispatch, and how many workgroups
run at one time. What cannot be measured on one GPU is an assumption and says so: a link is a copy between two of its
buffers; WebGPU tells neither clock nor cache. A software adapter has cores, not CUs, and is as fast as other programs let it
be: the spread is printed. Exit status 1: no rate, or a kernel that is wrong, which has none.

Examples:
  tilewire doctor
  tilewire doctor --browser /usr/bin/chromium --require-hardware
  tilewire doctor --backend node
  tilewire doctor --calibrate --json this.json
${EXIT_CODES}`,
  },
};
