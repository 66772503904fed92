/** QEMU with Xen in it: an arm64 machine in software, with its consoles in files. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BoardProfile } from '../../src/board/profile.ts';
import { MemtideError } from '../../src/errors.ts';
import type { Images } from './images.ts';

/** Where QEMU's loader puts dom0's kernel and initramfs: far enough apart, and below 512 MiB from the start of memory. */
const KERNEL_AT = '0x49000000';
const INITRAMFS_AT = '0x4e000000';
const LAST_LINES = 12;

export interface EmulatorOptions {
  readonly images: Images;
  readonly memory: BoardProfile['memory'];
  /** Gets the console log and the console's socket. */
  readonly folder: string;
  /** Shared with dom0, where it is /run/share. */
  readonly share: string;
  /** On loopback: leads to the broker in dom0. */
  readonly brokerPort: number;
}

export class Emulator {
  readonly #options: EmulatorOptions;
  readonly #child: ChildProcess;
  /** Rejects when QEMU ends, with its last words. */
  readonly ended: Promise<never>;

  constructor(options: EmulatorOptions) {
    this.#options = options;
    const log = fs.openSync(path.join(options.folder, 'qemu.log'), 'w');
    // The kernel ends QEMU with this process, however that ends. A session of its own: Ctrl-C is for this process only.
    this.#child = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-aarch64', ...argumentsOf(options)], {
      cwd: options.folder,
      detached: true,
      stdio: ['ignore', log, log],
    });
    fs.closeSync(log);
    this.ended = this.#end();
    this.ended.catch(() => {}); // told to whoever waits for something
  }

  get consoleSocket(): string {
    return path.join(this.#options.folder, 'console.sock');
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Waits for QEMU to end by itself, as it does when dom0 powers off; after that long it is killed. @returns whether it was. */
  async finish(deadlineSeconds: number): Promise<'powered off' | 'killed'> {
    const gone = this.ended.catch(() => 'powered off' as const);
    const result = await Promise.race([gone, sleep(deadlineSeconds * 1000, 'late' as const, { ref: false })]);
    if (result !== 'late' || !this.isRunning) return 'powered off';
    this.#child.kill('SIGKILL');
    await gone;
    return 'killed';
  }

  async #end(): Promise<never> {
    const [code, signal] = await Promise.race([
      once(this.#child, 'exit'),
      once(this.#child, 'error').then(([error]) => Promise.reject(error)),
    ]);
    const tail = ['qemu.log', 'console.log'].map((name) => lastLines(path.join(this.#options.folder, name)));
    throw new MemtideError({
      operation: 'run the emulated board',
      object: this.#options.folder,
      expected: 'QEMU to run until it is stopped',
      actual: `it ended with ${signal ?? `exit code ${code}`}; its last words:\n${tail.join('\n')}`,
      remedy: 'read console.log and qemu.log there',
    });
  }
}

function argumentsOf({ images, memory, share, brokerPort }: EmulatorOptions): string[] {
  const xen = [
    ...['console=dtuart', 'dtuart=/pl011@9000000', `dom0_mem=${memory.control_domain_mib}M`, 'dom0_max_vcpus=2'],
    // A frame holds 512 grants, so 64, the default, 128 MiB of pages: too few for what dom0 lends.
    'gnttab_max_frames=128',
    // Zeroing all memory at boot takes long in an emulator. Warnings only: every line costs emulated time too.
    ...['bootscrub=0', 'loglvl=warning', 'guest_loglvl=warning'],
  ];
  const dom0 = [
    ...['console=hvc0', 'earlycon=xenboot', 'rdinit=/init', 'psi=1', 'panic=5', 'quiet'],
    ...['memtide.name=dom0', 'memtide.root=/dev/vda', 'memtide.app=/dev/vdb'],
  ];
  const disk = (id: string, file: string): string[] => [
    ...['-drive', `if=none,id=${id},file=${file},format=raw,readonly=on`],
    ...['-device', `virtio-blk-device,drive=${id}`],
  ];
  return [
    // What Debian's programs do without costs time where it is emulated: a guest boots in two thirds of it.
    // Without LPA2: with it a fault of a stage-2 table that Xen is splitting is told as one of level -1, which this Xen does
    // not know, and a process of dom0 dies of it.
    ...['-M', 'virt,virtualization=on,gic-version=3', '-cpu', 'max,lpa2=off,pauth=off,sve=off,sme=off', '-smp', '2'],
    ...['-m', String(memory.total_mib), '-accel', 'tcg,thread=multi,tb-size=512'],
    ...['-display', 'none', '-no-reboot', '-kernel', images.xen, '-append', xen.join(' ')],
    ...['-device', `guest-loader,addr=${KERNEL_AT},kernel=${images.linux},bootargs=${dom0.join(' ')}`],
    ...['-device', `guest-loader,addr=${INITRAMFS_AT},initrd=${images.initramfs}`],
    // The last comes first: vda is the root.
    ...disk('app', images.app),
    ...disk('root', images.root),
    ...['-fsdev', `local,id=share,path=${share},security_model=none`],
    ...['-device', 'virtio-9p-device,fsdev=share,mount_tag=share'],
    // Nothing inside reaches the network outside; loopback outside reaches the broker inside. QEMU's own addresses are out
    // of the guests' way: its name server would be 10.17.0.3 otherwise.
    '-netdev',
    `user,id=outside,net=10.17.0.0/24,host=10.17.0.254,dns=10.17.0.253,dhcpstart=10.17.0.200,restrict=on,hostfwd=tcp:127.0.0.1:${brokerPort}-10.17.0.1:1883`,
    ...['-device', 'virtio-net-device,netdev=outside'],
    ...['-chardev', 'socket,id=console,path=console.sock,server=on,wait=off,logfile=console.log'],
    ...['-serial', 'chardev:console', '-monitor', 'none'],
  ];
}

function lastLines(file: string): string {
  const text = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
  return text.split('\n').slice(-LAST_LINES).join('\n');
}
