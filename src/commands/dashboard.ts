import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { loadConfig } from '../config/load.ts';
import { isLoopback } from '../dashboard/server/access.ts';
import { Dashboard } from '../dashboard/server/dashboard.ts';
import { shippedDrives } from '../dashboard/server/drive-files.ts';
import { EXIT, type ExitCode } from '../errors.ts';
import { type BrokerOptions, brokerAccess } from './broker-access.ts';
import type { CommandIo } from './io.ts';

export interface DashboardCommandOptions extends BrokerOptions {
  readonly host: string;
  readonly port: number;
  /** A folder of recorded drives. */
  readonly drives?: string;
}

/** Where `memtide drive record` writes by default. */
const RECORDED_DRIVES = 'drives';
/** Where one would be by default. */
const DEFAULT_BROKER = 'mqtt://127.0.0.1:1883';

/** `memtide dashboard`: serves the page until it is interrupted. @throws MemtideError when it cannot. */
export async function dashboardCommand(options: DashboardCommandOptions, io: CommandIo): Promise<ExitCode> {
  const config = loadConfig(options.config === undefined ? undefined : resolve(io.cwd, options.config));
  const broker = await brokerAccess(options, config, io, DEFAULT_BROKER);
  const drives = [options.drives ?? RECORDED_DRIVES, config.log_dir].filter((folder) => folder !== undefined);
  const dashboard = new Dashboard({
    host: options.host,
    port: options.port,
    broker,
    driveFolders: [...new Set(drives.map((folder) => resolve(io.cwd, folder))), shippedDrives()],
    clock: systemClock,
    procRoot: '/proc',
  });
  const address = await dashboard.start();
  io.stdout.write(`${address}\n`);
  const note = isLoopback(options.host) ? '' : '; whoever has the address with its token can watch and set marks';
  io.stderr.write(`memtide: the dashboard of ${broker.url}, until Ctrl-C${note}\n`);
  await new Promise<void>((ended) => {
    if (io.signal.aborted) ended();
    else io.signal.addEventListener('abort', () => ended());
  });
  await dashboard.stop();
  return EXIT.ok;
}
