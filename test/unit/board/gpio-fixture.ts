/** Fixture trees of /sys/class/gpio, and a stand-in for onoff that writes to them. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { TestContext } from 'node:test';
import type { Onoff, OnoffGpio } from '../../../src/board/gpio-sysfs.ts';

/** A fresh folder that goes with the test. */
export function temporaryRoot(t: TestContext): string {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-gpio-'));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  return root;
}

export function write(root: string, file: string, text: string): void {
  const target = path.join(root, file);
  fs.mkdirSync(path.dirname(target), { recursive: true });
  fs.writeFileSync(target, text);
}

export function addChip(root: string, base: number, label: string, lines: number): void {
  const chip = `sys/class/gpio/gpiochip${base}`;
  write(root, `${chip}/label`, `${label}\n`);
  write(root, `${chip}/base`, `${base}\n`);
  write(root, `${chip}/ngpio`, `${lines}\n`);
}

/** The files that the kernel makes when a line is exported. */
export function addLine(root: string, number: number): void {
  for (const file of ['value', 'direction', 'active_low', 'edge'])
    write(root, `sys/class/gpio/gpio${number}/${file}`, '');
}

/** What a test sees of the lines that were opened, and how it makes edges. */
export class OnoffStandIn {
  readonly calls: string[] = [];
  #direction = '';
  #onEdge: ((error: Error | null | undefined, level: 0 | 1) => void) | undefined;
  readonly #refuseDirection: boolean;

  constructor(options: { readonly refuseDirection?: boolean } = {}) {
    this.#refuseDirection = options.refuseDirection ?? false;
  }

  edge(level: 0 | 1): void {
    this.#onEdge?.(null, level);
  }

  get module(): Onoff {
    const standIn = this;
    class Gpio implements OnoffGpio {
      constructor(line: number, direction: string, edge: string, { activeLow }: { activeLow: boolean }) {
        standIn.calls.push(`open ${line} ${direction} ${edge}${activeLow ? ' active-low' : ''}`);
        standIn.#direction = (direction === 'in') === standIn.#refuseDirection ? 'out' : 'in';
      }
      writeSync(value: 0 | 1): void {
        standIn.calls.push(`write ${value}`);
      }
      watch(callback: (error: Error | null | undefined, level: 0 | 1) => void): void {
        standIn.#onEdge = callback;
      }
      direction(): string {
        return standIn.#direction;
      }
      unexport(): void {
        standIn.calls.push('unexport');
      }
    }
    return { Gpio };
  }
}

/** What a module that is not installed answers. */
export const notInstalled = async (): Promise<Onoff> => {
  throw Object.assign(new Error("Cannot find package 'onoff'"), { code: 'ERR_MODULE_NOT_FOUND' });
};

/** The folder of the fake programs in the source tree, from a test that may run from its compiled copy. */
export function fakePrograms(repository: string, version: 1 | 2): string {
  return path.join(repository, `test/fakes/bin/libgpiod-${version}`);
}
