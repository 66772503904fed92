/** The study's side in a guest: shell scripts, for a guest has neither much memory nor time to spare. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { MemtideError } from '../../../errors.ts';
import { type Bytes, bytes, KIB } from '../../../units.ts';
import { countsBetween, type KernelCounts, type PlayOutcome, readCounts, readFigures } from './figures.ts';

/** In a guest; on tmpfs. */
const FOLDER = '/run/memtide-replay';
const PLAYER = '/opt/memtide/bin/play-plan';
const SECTION = '=====';

export interface GuestAddress {
  readonly name: string;
  /** On the bridge between the domains. */
  readonly address: string;
}

export interface GuestMemory {
  /** Xen's pages, as the guest's kernel counts them. */
  readonly heldBytes: Bytes;
  readonly availableBytes: Bytes;
  /** Of files, in use: code of what runs. It counts as available, and is not. */
  readonly mappedBytes: Bytes;
}

type Running = ChildProcessByStdio<Writable, Readable, null>;

/** Starts a shell script in a guest. @param runner a program in dom0 that takes an address, and the script on its input. */
function start({ address }: GuestAddress, script: string, runner = 'guest-run'): Running {
  const child = spawn(runner, [address], { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.on('error', () => {}); // told by its end
  child.stdin.end(script);
  return child;
}

/** @returns what it said. @throws MemtideError where it ends with another code than 0. */
export async function inGuest(guest: GuestAddress, script: string, signal?: AbortSignal): Promise<string> {
  const child = start(guest, script);
  const abort = (): boolean => child.kill();
  signal?.addEventListener('abort', abort);
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  signal?.removeEventListener('abort', abort);
  if (code === 0) return output;
  throw new MemtideError({
    operation: 'run a script in a guest',
    object: guest.name,
    expected: 'exit code 0',
    actual: `${code}: ${output.trim().slice(-400)}`,
    remedy: 'look into the guest’s console',
  });
}

/** What it holds and what of that is to be had, with its caches dropped. */
export async function memoryOf(guest: GuestAddress): Promise<GuestMemory> {
  const text = await inGuest(
    guest,
    `echo 3 >/proc/sys/vm/drop_caches
     cat /sys/devices/system/xen_memory/xen_memory0/info/current_kb
     grep -E '^(MemAvailable|Mapped):' /proc/meminfo | tr -s ' ' | cut -d ' ' -f 2`,
  );
  const [held = 0, available = 0, mapped = 0] = text.trim().split('\n').map(Number);
  return {
    heldBytes: bytes(held * KIB),
    availableBytes: bytes(available * KIB),
    mappedBytes: bytes(mapped * KIB),
  };
}

/** Puts the plan where the player finds it, and what others left in the caches out of its way. */
export async function bringPlan(guest: GuestAddress, plan: string): Promise<void> {
  await inGuest(
    guest,
    `mkdir -p ${FOLDER} && cat >${FOLDER}/plan <<'END OF PLAN'
${plan}END OF PLAN
     test -x ${PLAYER} || { echo 'no ${PLAYER}: the image is built without a cross compiler (g++-aarch64-linux-gnu)'; exit 1; }
     echo 3 >/proc/sys/vm/drop_caches`,
  );
}

export interface GuestPlay {
  /** What the player wrote: every request. */
  readonly raw: string;
  readonly outcome: PlayOutcome;
  readonly kernel: KernelCounts;
}

/** Plays the plan that was brought. */
export async function playIn(guest: GuestAddress, signal: AbortSignal): Promise<GuestPlay> {
  const text = await inGuest(
    guest,
    `cd ${FOLDER}
     counts() { cat /proc/pressure/memory; grep '^oom_kill ' /proc/vmstat; }
     counts >before; ${PLAYER} plan figures || exit; counts >after
     cat before; echo ${SECTION}; cat after; echo ${SECTION}; cat figures`,
    signal,
  );
  const [before = '', after = '', figures = ''] = text.split(`${SECTION}\n`);
  return { raw: figures, outcome: readFigures(figures), kernel: countsBetween(readCounts(before), readCounts(after)) };
}
