// `npm run bench:peers`: argv → comparison → table and JSON. Exit status 0 when ours is right at every shape, 1 when it is not;
// a peer that fails is told, and a bar that is not met is no failure.
import { Command, CommanderError, Option } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { claimReportFile } from '../../src/cli/report-file.ts';
import { TilewireError } from '../../src/errors.ts';
import { adapterLine } from '../../src/report/table.ts';
import type { GemmShape } from '../../src/spec/spec.ts';
import { compare } from './compare.ts';
import { OURS } from './peer.ts';
import { barLines, oursIsRight, shapeTable, SHAPES, toRecord } from './report.ts';

const { devDependencies } = packageJson;
const VERSIONS = {
  'TensorFlow.js': devDependencies['@tensorflow/tfjs-backend-webgpu'],
  'ONNX Runtime Web': devDependencies['onnxruntime-web'],
  'jax-js': devDependencies['@jax-js/jax'],
  'gpu.js': devDependencies['gpu.js'],
};

/** Elements of one matrix: 1 GiB of f32. */
const MOST_ELEMENTS = 2 ** 28;

interface Flags {
  readonly json?: string;
  readonly shapes?: readonly GemmShape[];
  readonly corrupt?: string;
  readonly browser?: string;
  readonly requireHardware?: boolean;
}

/** `512x512x512,1x4096x4096`, each m × n × k. */
export function parseShapes(text: string): GemmShape[] {
  const refuse = (what: string, actual: string, limit?: string): TilewireError => new TilewireError('BAD_FLAG', what, { path: '--shapes', actual, ...(limit === undefined ? {} : { limit }), fix: 'write m x n x k, several with commas between them: --shapes 512x512x512,1x4096x4096' });
  const shapes = text.split(',').map((one) => {
    const match = /^\s*(\d+)x(\d+)x(\d+)\s*$/i.exec(one);
    if (match === null) throw refuse('not a list of shapes', one.trim() === '' ? text : one);
    const [m, n, k] = match.slice(1).map(Number);
    if (Math.min(m, n, k) < 1) throw refuse('a shape has no size below 1', one, '1');
    if (Math.max(m * n, m * k, n * k) > MOST_ELEMENTS) throw refuse('a matrix of this shape is too large', one, `${MOST_ELEMENTS} elements`);
    return { m, n, k };
  });
  const doubled = shapes.find((shape, at) => shapes.findIndex(({ m, n, k }) => m === shape.m && n === shape.n && k === shape.k) !== at);
  if (doubled !== undefined) throw refuse('a shape is there twice', `${doubled.m}x${doubled.n}x${doubled.k}`);
  return shapes;
}

function valueOf(flag: string): (text: string) => string {
  return (text) => {
    if (text.startsWith('--')) throw new TilewireError('BAD_FLAG', 'this flag lacks its value', { path: flag, actual: text, fix: `write ${flag} VALUE` });
    return text;
  };
}

function parsePeer(text: string): string {
  const names = [OURS, ...Object.keys(VERSIONS)];
  if (!names.includes(text)) throw new TilewireError('BAD_FLAG', 'there is no such peer', { path: '--corrupt', actual: text, limit: names.join(', '), fix: 'name one of these' });
  return text;
}

function parseFlags(argv: readonly string[]): Flags {
  const program = new Command('bench:peers')
    .description('GEMM throughput of TensorFlow.js, ONNX Runtime Web, jax-js, gpu.js and tilewire: one Chrome, one run, the same operands, interleaved, every result checked. Ends within 15 minutes.')
    .usage('[--json FILE] [--shapes LIST]')
    .addOption(new Option('--json <file>', 'write the figures as JSON (replaces the file)').argParser(valueOf('--json')))
    .addOption(new Option('--shapes <list>', `only these, m x n x k: 512x512x512,1x4096x4096 (default: ${SHAPES.length} shapes)`).argParser((text) => parseShapes(valueOf('--shapes')(text))))
    .addOption(new Option('--corrupt <peer>', 'spoil one element of each of its results before they are checked, to see the check fail').argParser(parsePeer))
    .addOption(new Option('--browser <path>', 'this Chrome or Chromium and no other').argParser(valueOf('--browser')))
    .option('--require-hardware', 'refuse a software adapter')
    .helpOption('-h, --help', 'print this help')
    .allowExcessArguments(false)
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  program.parse([...argv], { from: 'user' });
  return program.opts<Flags>();
}

export async function main(argv: readonly string[], root: string): Promise<number> {
  try {
    const flags = parseFlags(argv);
    const file = flags.json === undefined ? null : claimReportFile(flags.json, true);
    let begun = false;
    const comparison = await compare({
      root,
      shapes: flags.shapes ?? SHAPES,
      browser: flags.browser,
      requireHardware: flags.requireHardware,
      corrupt: (name) => name === flags.corrupt,
      say: (line) => process.stderr.write(`tilewire: ${line}\n`),
      onShape(shape, environment) {
        if (!begun) process.stdout.write(`${adapterLine(environment)}\n`);
        begun = true;
        process.stdout.write(`\n${shapeTable(shape, VERSIONS)}\n`);
      },
    });
    const right = oursIsRight(comparison);
    process.stdout.write(`\nbars (ratios of least times, in this run)\n${barLines(comparison).join('\n')}\n\n${right ? 'ours is right at every shape' : 'OURS IS WRONG, or did not run, at some shape'}\n`);
    file?.write(`${JSON.stringify(toRecord(comparison), null, 2)}\n`);
    return right ? 0 : 1;
  } catch (error) {
    return reported(error);
  }
}

function reported(error: unknown): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  const told = error instanceof CommanderError ? new TilewireError('BAD_FLAG', error.message.replace(/^error: /, ''), { fix: 'see `npm run bench:peers -- --help`' }) : error;
  if (!(told instanceof TilewireError)) throw told;
  process.stderr.write(`tilewire: ${told.message}\n`);
  return told.exitCode;
}
