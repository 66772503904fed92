/** The images that the emulated board boots, each built when its inputs have changed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { MemtideError } from '../../src/errors.ts';
import { cached, hashOf } from './cache.ts';
import type { Progress } from './progress.ts';
import { hasProgram } from './requirements.ts';

export interface Images {
  readonly xen: string;
  readonly linux: string;
  readonly initramfs: string;
  /** Root of dom0 and of the guests: Debian. */
  readonly root: string;
  /** memtide, mounted at /opt/memtide. */
  readonly app: string;
}

/** @param repository memtide's own folder, compiled. */
export async function buildImages(repository: string, cache: string, progress: Progress): Promise<Images> {
  const scripts = path.join(repository, 'firmware-scripts/emulated-board');
  const script = (name: string): string => path.join(scripts, name);
  const inRepository = (...names: string[]): string[] => names.map((name) => path.join(repository, name));

  const rootKey = hashOf([script('build-image.sh'), script('image')]);
  const root = await progress.step('Debian with Xen, for arm64', () =>
    cached(cache, 'root', rootKey, (folder) => run(script('build-image.sh'), folder)),
  );
  // Without one the image has less in it.
  const compiler = [hasProgram('aarch64-linux-gnu-g++') ? 'with a cross compiler' : 'without'];
  const modulesKey = hashOf([script('build-modules.sh'), ...inRepository('package-lock.json')], compiler);
  const modules = await progress.step('packages of memtide, for arm64', () =>
    cached(cache, 'modules', modulesKey, (folder) => run(script('build-modules.sh'), folder)),
  );
  const compiled = inRepository(
    'dist/bin',
    'dist/src',
    'dist/test',
    'boards',
    'src/evaluation/recordings',
    'package.json',
  );
  const programs = ['evtchn-ping-pong.c', 'play-plan.c'].map(script);
  const appInputs = [script('build-app.sh'), ...programs, ...compiled];
  const appKey = hashOf(appInputs, [path.basename(modules)]);
  const app = await progress.step('memtide as compiled here', () =>
    cached(cache, 'app', appKey, (folder) => run(script('build-app.sh'), modules, path.join(folder, 'app.img'))),
  );
  const [xen, linux, initramfs] = ['xen', 'linux', 'initramfs'].map((name) => path.join(root, name)) as [
    string,
    string,
    string,
  ];
  return { xen, linux, initramfs, root: path.join(root, 'root.img'), app: path.join(app, 'app.img') };
}

/** A build says so by this exit code (EX_TEMPFAIL): the packages are out of reach, and nothing is wrong here. */
const OUT_OF_REACH = 75;

/** The packages that an image is made of cannot be had now. */
export class OutOfReach extends Error {}

async function run(program: string, ...args: string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const [code, signal] = await once(child, 'exit');
  if (code === 0) return;
  if (code === OUT_OF_REACH) throw new OutOfReach('no mirror of Debian answers with the packages of its image');
  throw new MemtideError({
    operation: 'build for the emulated board',
    object: [program, ...args].join(' '),
    expected: 'exit code 0',
    actual: code === null ? String(signal) : `exit code ${code}`,
    remedy: 'what it said last is above',
  });
}
