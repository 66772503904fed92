/**
 * What the doctor knows of a machine: data only, so that a Raspberry Pi, a Xen dom0 or a container can be judged from a
 * fixture. What could not be found out is `undefined`, or a result with its reason; never 0.
 */
import type { GpioChips } from '../board/gpio-chips.ts';
import type { CgroupPlace } from '../platforms/budget/cgroup-place.ts';
import type { MeminfoResult } from '../pressure/meminfo.ts';
import type { PsiResult } from '../pressure/psi.ts';

export interface MachineFacts {
  readonly system: SystemFacts;
  readonly memory: MemoryFacts;
  readonly pressure: PressureFacts;
  readonly cgroup: CgroupFacts;
  readonly rights: RightsFacts;
  readonly clock: ClockFacts;
  readonly packages: PackageFacts;
  readonly wires: WireFacts;
  /** `undefined` where no hypervisor of Xen's is to be seen. */
  readonly xen: XenFacts | undefined;
}

/** Something was really tried. */
export type Trial = { readonly ok: true } | { readonly ok: false; readonly reason: string };

export interface SystemFacts {
  /** `process.platform`, `process.arch`, `process.versions.node`. */
  readonly platform: string;
  readonly architecture: string;
  readonly node: string;
  /** `6.12.25+rpt-rpi-v8`. */
  readonly kernel: string | undefined;
  /** The device tree's model: `Raspberry Pi 4 Model B Rev 1.4`. Boards have one, PCs have none. */
  readonly boardModel: string | undefined;
  readonly inContainer: boolean;
  /** koffi loads and calls the C library. */
  readonly foreignCalls: Trial;
}

export interface MemoryFacts {
  readonly pageBytes: number | undefined;
  /** The size of a huge page that transparent huge pages use. */
  readonly hugePageBytes: number | undefined;
  /** The chosen word of /sys/kernel/mm/transparent_hugepage/enabled and …/shmem_enabled. */
  readonly transparentHugePages: string | undefined;
  readonly sharedHugePages: string | undefined;
  /** A private tmpfs with huge=always was mounted, or why it could not be. */
  readonly hugeMount: Trial;
  readonly userNamespaces: {
    readonly max: number | undefined;
    readonly unprivileged: boolean | undefined;
    readonly restrictedByApparmor: boolean | undefined;
  };
  /** /dev/shm; `undefined` where it is not there. */
  readonly devShm: { readonly totalBytes: number; readonly freeBytes: number; readonly writable: boolean } | undefined;
  readonly meminfo: MeminfoResult;
  readonly swapBytes: number | undefined;
  readonly zramSwap: boolean;
}

export interface PressureFacts {
  readonly psi: PsiResult;
  /** How stalls would be learnt of, after trying; `reason` where it is not the best way. */
  readonly watch: {
    readonly method: 'trigger' | 'polling' | 'none';
    readonly windowMicros: number;
    readonly reason?: string;
  };
}

export interface CgroupFacts {
  /** Where a domain's cgroup could be made, or why nowhere. */
  readonly place: CgroupPlace;
  /** The kernel's own word on the memory controller; `undefined` where it lists none. */
  readonly controllerEnabled: boolean | undefined;
}

/** A soft and a hard limit; `Infinity` for unlimited. */
export interface Limit {
  readonly soft: number;
  readonly hard: number;
}

export interface RightsFacts {
  /** Effective user id. */
  readonly uid: number | undefined;
  /** The effective set, one bit a capability (capabilities(7), linux/capability.h). */
  readonly capabilities: bigint | undefined;
  readonly dataBytes: Limit | undefined;
  readonly lockedBytes: Limit | undefined;
  /** RLIMIT_NICE: the best niceness allowed is 20 minus this. */
  readonly nice: Limit | undefined;
  readonly realtimePriority: Limit | undefined;
  /** Sessions are scheduled as groups (kernel.sched_autogroup_enabled): niceness counts within one only. */
  readonly sessionGroups: boolean;
}

export interface ClockFacts {
  readonly synchronised:
    | { readonly known: true; readonly synced: boolean }
    | { readonly known: false; readonly reason: string };
  /** Name of the real-time clock's driver. */
  readonly realTimeClock: string | undefined;
}

export interface PackageFacts {
  readonly onoff: Trial;
  readonly i2cBus: Trial;
  /** What building them takes. */
  readonly missingTools: readonly string[];
}

export type Access = 'allowed' | 'denied' | 'absent';

export interface WireFacts {
  readonly gpioChips: GpioChips;
  /** Of /sys/class/gpio/export. */
  readonly gpioExport: Access;
  /** /dev/gpiochip*: what the programs of libgpiod use. */
  readonly gpioDevices: readonly DeviceFacts[];
  readonly libgpiodPrograms: boolean;
  readonly i2cDevices: readonly DeviceFacts[];
}

export interface DeviceFacts {
  readonly path: string;
  readonly access: Access;
}

/** What a program answered, or why it did not. */
export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

export interface XenFacts {
  /** dom0, or a domain with its rights; anything else is a guest. */
  readonly role: 'control' | 'guest';
  /** `4.20.0`. */
  readonly version: string | undefined;
  readonly devices: readonly DeviceFacts[];
  /** `undefined` where the kernel has no balloon driver. */
  readonly balloon: { readonly currentKib: number | undefined; readonly target: Access } | undefined;
  /** `undefined` where Xen does not say (before 4.16). */
  readonly directMapped: boolean | undefined;
  /** Pages that this domain may grant by gntalloc; `undefined` where the module is not loaded. */
  readonly grantablePages: number | undefined;
  /** `credit2`. Xen tells it to the control domain only. */
  readonly scheduler: Answer<string>;
}
