import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { systemClock } from '../clock.ts';
import { loadConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { RunFiles } from '../coordination/run-files.ts';
import { isLoopback } from '../dashboard/server/access.ts';
import { Dashboard } from '../dashboard/server/dashboard.ts';
import { shippedDrives } from '../dashboard/server/drive-files.ts';
import { askBackend } from '../demo/backend-status.ts';
import { EXIT, type ExitCode, errorCode, errorMessage, MemtideError } from '../errors.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface DashboardCommandOptions {
  readonly broker?: string;
  readonly host: string;
  readonly port: number;
  readonly config?: string;
  readonly runDir?: string;
  readonly vehicle?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly caFile?: string;
  /** A folder of recorded drives. */
  readonly drives?: string;
}

const BROKER_URL = /^mqtts?:\/\/[^\s/@]+$/;
/** Where `memtide drive record` writes by default. */
const RECORDED_DRIVES = 'drives';
const DEFAULT_BROKER = 'mqtt://127.0.0.1:1883';

/** `memtide dashboard`: serves the page until it is interrupted. @throws MemtideError when it cannot. */
export async function dashboardCommand(options: DashboardCommandOptions, io: CommandIo): Promise<ExitCode> {
  const config = loadConfig(options.config === undefined ? undefined : resolve(io.cwd, options.config));
  const url = checkBroker(options.broker ?? config.mqtt.url ?? (await brokerHere(options, config, io)));
  const drives = [options.drives ?? RECORDED_DRIVES, config.log_dir].filter((folder) => folder !== undefined);
  const username = options.username ?? config.mqtt.username;
  const passwordFile = options.passwordFile ?? config.mqtt.password_file;
  const caFile = options.caFile ?? config.mqtt.ca_file;
  const dashboard = new Dashboard({
    host: options.host,
    port: options.port,
    broker: {
      url,
      base: config.mqtt.base_topic,
      ...(options.vehicle === undefined ? {} : { vehicle: options.vehicle }),
      ...(username === undefined ? {} : { username }),
      ...(passwordFile === undefined
        ? {}
        : { password: readText(resolve(io.cwd, passwordFile)).split(/\r?\n/, 1)[0]! }),
      ...(caFile === undefined ? {} : { certificateAuthority: readText(resolve(io.cwd, caFile)) }),
    },
    driveFolders: [...new Set(drives.map((folder) => resolve(io.cwd, folder))), shippedDrives()],
    clock: systemClock,
    procRoot: '/proc',
  });
  const address = await dashboard.start();
  io.stdout.write(`${address}\n`);
  const note = isLoopback(options.host) ? '' : '; whoever has the address with its token can watch and set marks';
  io.stderr.write(`memtide: the dashboard of ${url}, until Ctrl-C${note}\n`);
  await new Promise<void>((ended) => {
    if (io.signal.aborted) ended();
    else io.signal.addEventListener('abort', () => ended());
  });
  await dashboard.stop();
  return EXIT.ok;
}

/** Of the back end that runs here; where none does, where one would be by default. */
async function brokerHere({ runDir }: DashboardCommandOptions, config: Config, io: CommandIo): Promise<string> {
  try {
    const files = new RunFiles(chooseRunDir(runDir ?? config.run_dir, io));
    return (await askBackend(files.backendSocket)).broker_url ?? DEFAULT_BROKER;
  } catch {
    return DEFAULT_BROKER;
  }
}

function checkBroker(url: string): string {
  if (BROKER_URL.test(url) && URL.canParse(url)) return url;
  throw new MemtideError({
    operation: 'listen to a broker',
    object: '--broker',
    expected: 'mqtt://HOST[:PORT] or mqtts://HOST[:PORT]',
    actual: url,
    remedy: 'leave it out where a back end runs here',
    exitCode: EXIT.usage,
  });
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new MemtideError({
      operation: 'read a file for the broker',
      object: path,
      expected: 'a file that this user may read',
      actual: errorCode(cause) ?? errorMessage(cause),
      cause,
      exitCode: EXIT.usage,
    });
  }
}
