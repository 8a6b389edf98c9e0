#!/usr/bin/env node
// The command line: reads argv, hands over to a command, and turns whatever comes back into an exit status:
// 0 right, 1 wrong run, 2 bad input, 3 the machine, 4 no progress, 70 a bug in tilewire, 130 interrupted.
// Commands are imported when they are called, so that `--help` loads nothing else.
import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { EXIT_OF, TilewireError } from '../errors.ts';
import { addBrowserFlags, addInstrumentFlags, addLimitFlags, addExplainFlags, addModelFlags, addPaperFlags, addReportFlags, addSpecFlags, addTilesFlags, cacheFlag, calibrateFlag, checkFlag, seedFlag, specFlag } from './flags.ts';
import { manual } from './manual.ts';

function commandLine(finish: (exitCode: number) => void): Command {
  const program = new Command('tilewire')
    .description(packageJson.description)
    .version(packageJson.version, '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .usage('COMMAND [flags]')
    // Errors are ours to print and to number.
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .configureHelp({ helpWidth: Math.min(process.stdout.columns ?? 100, 110), subcommandTerm: (command) => command.name() })
    .addHelpText('after', manual.program);

  addLimitFlags(addBrowserFlags(addReportFlags(program.command('start').summary('the main job: two runs with their baseline').description(manual.start.what))))
    .addOption(seedFlag())
    .addOption(checkFlag())
    .usage('[flags]')
    .addHelpText('after', manual.start.more)
    .action(async (flags) => finish(await (await import('./start.ts')).startCommand(flags)));

  const run = program.command('run').summary('run a fused GEMM + collective, check it, report on it').description(manual.run.what);
  addSpecFlags(run)
    .option('--baseline', 'also run GEMM-then-collective with the same kernels, and compare')
    .addOption(checkFlag())
    .addOption(cacheFlag())
    .addOption(specFlag());
  addLimitFlags(addBrowserFlags(addReportFlags(run)))
    .usage('(--model NAME --layer NAME | --config FILE --layer NAME --tp D | --m M --n N --k K --devices D | --a FILE --b FILE --tp D | --operands trained --tp D | --spec FILE) [flags]')
    .addHelpText('after', manual.run.more)
    .action(async (flags) => finish(await (await import('./run.ts')).runCommand(flags)));

  const plan = program.command('plan').summary('derive, check and print a Plan without a GPU').description(manual.plan.what);
  addReportFlags(addSpecFlags(plan))
    .usage('(--model NAME --layer NAME | --config FILE --layer NAME --tp D | --m M --n N --k K --devices D | --a FILE --b FILE --tp D | --operands trained --tp D) [flags]')
    .addHelpText('after', manual.plan.more)
    .action(async (flags) => {
      await (await import('./plan.ts')).planCommand(flags);
    });

  const instrument = program.command('instrument').argument('[FILE.wgsl]', 'a WGSL GEMM, or the name of a built-in kernel').summary('print the rewritten kernel, and who writes what of the output').description(manual.instrument.what);
  addBrowserFlags(addInstrumentFlags(instrument))
    .usage('FILE.wgsl (--m M --n N --k K --devices D | --model NAME --layer NAME | --config FILE --layer NAME --tp D) [flags]')
    .addHelpText('after', manual.instrument.more)
    .action(async (kernel, flags) => finish(await (await import('./instrument.ts')).instrumentCommand(kernel, flags)));

  const tiles = program.command('tiles').summary('which tile is fastest on this adapter, measured').description(manual.tiles.what);
  addLimitFlags(addBrowserFlags(addTilesFlags(tiles)))
    .usage('(--m M --n N --k K | --model NAME [--layer NAME] | --config FILE [--layer NAME] --tp D) [--kernel FILE.wgsl --vary NAME=VALUES] [flags]')
    .addHelpText('after', manual.tiles.more)
    .action(async (flags) => finish(await (await import('./tiles.ts')).tilesCommand(flags)));

  addModelFlags(program.command('model').summary('what schedules gain on a described machine, by a virtual clock').description(manual.model.what))
    .usage('(--model NAME --layer NAME | --config FILE --layer NAME --tp D | --m M --n N --k K --devices D | --a FILE --b FILE --tp D) [--schedule NAMES] [--machine NAME|FILE] [flags]')
    .addHelpText('after', manual.model.more)
    .action(async (flags) => {
      await (await import('./model.ts')).modelCommand(flags);
    });

  addExplainFlags(program.command('explain').summary('why a fused schedule or a measured run takes its time').description(manual.explain.what))
    .usage('(--model NAME --layer NAME | --config FILE --layer NAME --tp D | --m M --n N --k K --devices D | --run FILE) [--schedule NAME] [--machine NAME|FILE] [flags]')
    .addHelpText('after', manual.explain.more)
    .action(async (flags) => {
      await (await import('./explain.ts')).explainCommand(flags);
    });

  addPaperFlags(program.command('paper').summary("T3's evaluation by that clock, beside what was published").description(manual.paper.what))
    .usage('[flags]')
    .addHelpText('after', manual.paper.more)
    .action(async (flags) => {
      await (await import('./paper.ts')).paperCommand(flags);
    });

  addBrowserFlags(addReportFlags(program.command('doctor').summary('what browser and adapter were found, and what was tried').description(manual.doctor.what)))
    .addOption(calibrateFlag())
    .usage('[flags]')
    .addHelpText('after', manual.doctor.more)
    .action(async (flags) => finish(await (await import('./doctor.ts')).doctorCommand(flags)));

  return program;
}

/** Of the help and of every mistake in argv that commander finds, only the latter are errors. */
function fromCommander(error: CommanderError): TilewireError | null {
  if (error.exitCode === 0) return null;
  const message = error.message.replace(/^error: /, '');
  const flag = /'(-[^' ]*)/.exec(message)?.[1];
  return new TilewireError('BAD_FLAG', error.code === 'commander.help' ? 'no command given' : message, { ...(flag === undefined ? {} : { path: flag }), fix: 'see `tilewire --help`, or `tilewire COMMAND --help`' });
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    const mistake = fromCommander(error);
    return mistake === null ? 0 : report(mistake);
  }
  if (error instanceof TilewireError) {
    // The stack begins with the message.
    process.stderr.write(`tilewire: ${error.code === 'BUG' ? error.stack : error.message}\n`);
    return error.exitCode;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`tilewire: internal error, please report it with the command line [BUG]\n${stack}\n`);
  return EXIT_OF.BUG;
}

/** A browser that is running ends in its exit handler. */
function interrupted(signal: string): void {
  process.stderr.write(`\ntilewire: interrupted by ${signal}\n`);
  process.exit(EXIT_OF.INTERRUPTED);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => interrupted(signal));
process.on('uncaughtException', (error) => process.exit(report(error)));
// `tilewire … | head`: the reader left, but the run and its --json file are still wanted.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  await commandLine((exitCode) => {
    process.exitCode = exitCode;
  }).parseAsync();
} catch (error) {
  process.exitCode = report(error);
}
