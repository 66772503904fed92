/** What a command that listens to a broker has to know of it: from its options, the configuration, or the back end here. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Config } from '../config/schema.ts';
import { RunFiles } from '../coordination/run-files.ts';
import type { BrokerAccess } from '../dashboard/server/broker-feed.ts';
import { askBackend } from '../demo/backend-status.ts';
import { EXIT, errorCode, errorMessage, MemtideError } from '../errors.ts';
import type { CommandIo } from './io.ts';
import { chooseRunDir } from './run-dir.ts';

export interface BrokerOptions {
  /** mqtt://HOST[:PORT] or mqtts://… */
  readonly broker?: string;
  readonly config?: string;
  readonly runDir?: string;
  /** Only this one; all when left out. */
  readonly vehicle?: string;
  readonly username?: string;
  /** Its first line is the password. */
  readonly passwordFile?: string;
  /** PEM of the certificate authority of an mqtts broker. */
  readonly caFile?: string;
}

const BROKER_URL = /^mqtts?:\/\/[^\s/@]+$/;

/**
 * @param otherwise the address where nothing names a broker and no back end runs here.
 * @throws MemtideError when there is none, its address is malformed, or a file cannot be read.
 */
export async function brokerAccess(
  options: BrokerOptions,
  config: Config,
  io: CommandIo,
  otherwise?: string,
): Promise<BrokerAccess> {
  const url = checkUrl(options.broker ?? config.mqtt.url ?? (await brokerHere(options, config, io, otherwise)));
  const { vehicle } = options;
  const username = options.username ?? config.mqtt.username;
  const passwordFile = options.passwordFile ?? config.mqtt.password_file;
  const caFile = options.caFile ?? config.mqtt.ca_file;
  const text = (file: string): string => readText(resolve(io.cwd, file));
  return {
    url,
    base: config.mqtt.base_topic,
    ...(vehicle !== undefined && { vehicle }),
    ...(username !== undefined && { username }),
    ...(passwordFile !== undefined && { password: text(passwordFile).split(/\r?\n/, 1)[0]! }),
    ...(caFile !== undefined && { certificateAuthority: text(caFile) }),
  };
}

/** The embedded broker of the back end that runs here, or the one that it uses. */
async function brokerHere(
  { runDir }: BrokerOptions,
  config: Config,
  io: CommandIo,
  otherwise?: string,
): Promise<string> {
  const chosen = chooseRunDir(runDir ?? config.run_dir, io);
  const status = await askBackend(new RunFiles(chosen).backendSocket).catch(() => undefined);
  const url = status?.broker_url ?? otherwise;
  if (url !== undefined) return url;
  throw new MemtideError({
    operation: 'listen to a broker',
    object: chosen,
    expected: 'a running back end with a broker, or the address of one',
    actual: status === undefined ? 'no back end answers there' : 'the back end there has no broker',
    remedy: 'name one with --broker mqtt://HOST:PORT or --config, or start a back end',
    exitCode: EXIT.unavailable,
  });
}

function checkUrl(url: string): string {
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
      remedy: 'name another',
      cause,
      exitCode: EXIT.usage,
    });
  }
}
