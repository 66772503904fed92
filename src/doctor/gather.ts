/** Gathers the facts of a machine: from files below a root, and from what can only be tried. */
import fs from 'node:fs';
import { readGpioChips } from '../board/gpio-chips.ts';
import { type CgroupFiles, cgroupFiles } from '../platforms/budget/cgroup-files.ts';
import { findCgroupPlace } from '../platforms/budget/cgroup-place.ts';
import type { CgroupFacts, MachineFacts, SystemFacts, Trial, WireFacts } from './facts.ts';
import { FileTree } from './file-tree.ts';
import { memoryFacts, readPsi } from './memory-facts.ts';
import { rightsFacts } from './rights-facts.ts';
import type { Trials } from './trials.ts';
import { xenFacts } from './xen-facts.ts';

export interface Gathering {
  /** `/`, or a fixture. */
  readonly root: string;
  readonly trials: Trials;
  readonly platform: string;
  readonly architecture: string;
  readonly nodeVersion: string;
  readonly pid: number;
}

/** Left by Docker, podman and systemd-nspawn in the file systems of their containers. */
const CONTAINER_MARKS = ['/.dockerenv', '/run/.containerenv', '/run/systemd/container'];

/** What node-gyp needs, each with the programs that will do. */
const BUILD_TOOLS: ReadonlyArray<readonly string[]> = [['g++', 'c++', 'clang++'], ['make'], ['python3']];

export async function gatherFacts({ root, trials, pid, ...process }: Gathering): Promise<MachineFacts> {
  const tree = new FileTree(root);
  return {
    system: systemFacts(tree, process, await trials.foreignCalls()),
    memory: memoryFacts(tree, await trials.hugeMount()),
    pressure: { psi: readPsi(tree), watch: await trials.watchPressure(tree.path('/proc/pressure/memory')) },
    cgroup: cgroupFacts(tree, pid),
    rights: rightsFacts(tree),
    clock: {
      synchronised: await trials.clock(),
      realTimeClock: tree.text('/sys/class/rtc/rtc0/name'),
    },
    packages: {
      onoff: await trials.onoff(),
      i2cBus: await trials.i2cBus(),
      missingTools: BUILD_TOOLS.filter((names) => !names.some(trials.hasProgram)).map(([name]) => name!),
    },
    wires: wireFacts(tree, trials),
    xen: await xenFacts(tree, trials.xenScheduler),
  };
}

function systemFacts(
  tree: FileTree,
  { platform, architecture, nodeVersion }: Pick<Gathering, 'platform' | 'architecture' | 'nodeVersion'>,
  foreignCalls: Trial,
): SystemFacts {
  return {
    platform,
    architecture,
    node: nodeVersion,
    kernel: tree.text('/proc/sys/kernel/osrelease'),
    boardModel: tree.text('/proc/device-tree/model'),
    inContainer: CONTAINER_MARKS.some((file) => tree.access(file, fs.constants.F_OK) !== 'absent'),
    foreignCalls,
  };
}

function cgroupFacts(tree: FileTree, pid: number): CgroupFacts {
  // /proc/cgroups: `memory 0 123 1`; the last column says whether the controller is switched on.
  const enabled = /^memory\s+\d+\s+\d+\s+([01])$/m.exec(tree.text('/proc/cgroups') ?? '')?.[1];
  return {
    place: findCgroupPlace(rooted(tree), '/proc', pid),
    controllerEnabled: enabled === undefined ? undefined : enabled === '1',
  };
}

/** The cgroup file system of a fixture, or of this machine. Finding a place only ever reads. */
function rooted(tree: FileTree): CgroupFiles {
  return {
    ...cgroupFiles,
    read: (path) => cgroupFiles.read(tree.path(path)),
    writable: (path) => cgroupFiles.writable(tree.path(path)),
  };
}

function wireFacts(tree: FileTree, trials: Trials): WireFacts {
  return {
    gpioChips: readGpioChips(tree.root),
    gpioExport: tree.access('/sys/class/gpio/export'),
    gpioDevices: tree.devices('/dev', /^gpiochip\d+$/),
    libgpiodPrograms: ['gpiodetect', 'gpioset', 'gpiomon'].every(trials.hasProgram),
    i2cDevices: tree.devices('/dev', /^i2c-\d+$/),
  };
}
