// `tilewire doctor`: what browser, adapter, features, limits and timer were found, and everything that was tried; with --calibrate
// how fast it is.
import { describeAttempt, visibleGpu } from '../host/browser.ts';
import { cacheFolder } from '../host/chromium.ts';
import { openSession } from '../host/session.ts';
import { adapterLine } from '../report/table.ts';
import { calibrated } from './calibrate.ts';
import type { GeneralFlags } from './flags.ts';
import { pageFile } from './perform.ts';
import { progressLine } from './progress.ts';
import { claimReportFile } from './report-file.ts';

export interface DoctorFlags extends Pick<GeneralFlags, 'backend' | 'browser' | 'requireHardware' | 'json' | 'force'> {
  readonly calibrate?: boolean;
}

export async function doctorCommand(flags: DoctorFlags): Promise<number> {
  const file = flags.json === undefined ? null : claimReportFile(flags.json, flags.force ?? false);
  const machine = { node: process.versions.node, platform: `${process.platform} ${process.arch}`, visibleGpu: visibleGpu(), cacheFolder: cacheFolder() };
  console.log(`machine: Node ${machine.node} on ${machine.platform}; GPU visible to the system: ${machine.visibleGpu ?? 'none'}; cache ${machine.cacheFolder}`);
  const progress = progressLine();
  const session = await openSession({ backend: flags.backend, pageFile, browser: flags.browser, requireHardware: flags.requireHardware, say: (line) => progress.say(line) });
  try {
    const { environment, facts, attempts, attempt } = session;
    console.log(`${adapterLine(environment)}\n\ntried:`);
    for (const one of attempts) console.log(`  ${one === attempt ? '*' : ' '} ${describeAttempt(one)}`);
    console.log(`\nfeatures: ${[...facts.features].sort().join(' ')}\n\nlimits:`);
    const limits = Object.entries(facts.limits).sort(([a], [b]) => a.localeCompare(b));
    const width = Math.max(...limits.map(([name]) => name.length));
    for (const [name, value] of limits) console.log(`  ${name.padEnd(width)}  ${value}`);
    let measured = {};
    if (flags.calibrate === true) {
      console.log('');
      measured = { calibrated: await calibrated(session, progress) };
    }
    file?.write(`${JSON.stringify({ version: 1, machine, environment, features: facts.features, limits: facts.limits, attempts, ...measured }, null, 2)}\n`);
    return 0;
  } finally {
    progress.clear();
    await session.close();
  }
}
