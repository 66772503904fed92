import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import type { DoorbellRinger, DoorbellWaiter } from '../../src/control/contracts.ts';
import { FifoRinger, FifoWaiter } from '../../src/control/fifo-bell.ts';
import { FutexRinger, FutexWaiter } from '../../src/control/futex-bell.ts';
import { makeFifo } from '../../src/coordination/fifo-file.ts';
import { mapFile, wordsOf } from '../../src/native/mapping.ts';

/** What every doorbell must do. Each implementation rings and waits through a file that another process can open. */
const extension = path.extname(new URL(import.meta.url).pathname);
const moduleUrl = (name: string): string => new URL(`../../src/${name}${extension}`, import.meta.url).href;

interface Kind {
  readonly name: string;
  make(file: string): { readonly ringer: DoorbellRinger; readonly waiter: DoorbellWaiter };
  /** Source text of a module that rings `source` from another process. */
  readonly ringElsewhere: (file: string, source: number) => string;
}

const futexPlace = (file: string) => {
  const mapping = mapFile(file, 4096, 'doorbell');
  return { words: wordsOf(mapping), at: 0, address: mapping.address };
};

const KINDS: Kind[] = [
  {
    name: 'futex',
    make(file) {
      fs.writeFileSync(file, Buffer.alloc(4096));
      return { ringer: new FutexRinger(futexPlace(file)), waiter: new FutexWaiter(futexPlace(file)) };
    },
    ringElsewhere: (file, source) => `
      import { FutexRinger } from '${moduleUrl('control/futex-bell')}';
      import { mapFile, wordsOf } from '${moduleUrl('native/mapping')}';
      const mapping = mapFile(${JSON.stringify(file)}, 4096, 'doorbell');
      new FutexRinger({ words: wordsOf(mapping), at: 0, address: mapping.address }).ring(${source});`,
  },
  {
    name: 'FIFO',
    make(file) {
      makeFifo(file);
      return { ringer: new FifoRinger(file), waiter: new FifoWaiter(file) };
    },
    ringElsewhere: (file, source) => `
      import { FifoRinger } from '${moduleUrl('control/fifo-bell')}';
      new FifoRinger(${JSON.stringify(file)}).ring(${source});`,
  },
];

const sources = ({ pending }: DoorbellWaiter): number[] =>
  Array.from({ length: 256 }, (_, source) => source).filter((source) => (pending[source >>> 5]! >>> (source & 31)) & 1);

for (const kind of KINDS) {
  describe(`a doorbell: ${kind.name}`, () => {
    const bell = (t: TestContext) => {
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-bell-'));
      const file = path.join(folder, 'bell');
      const made = kind.make(file);
      t.after(() => {
        made.ringer.close();
        made.waiter.close();
        fs.rmSync(folder, { recursive: true });
      });
      return { file, ...made };
    };

    it('keeps a ring for a waiter that comes later', (t) => {
      const { ringer, waiter } = bell(t);
      ringer.ring(9);
      assert.equal(waiter.wait(0), true);
      assert.deepEqual(sources(waiter), [9]);
    });

    it('tells all that rang, each once however often it rang', (t) => {
      const { ringer, waiter } = bell(t);
      for (const source of [0, 31, 32, 255, 31, 31]) ringer.ring(source);
      assert.equal(waiter.wait(0), true);
      assert.deepEqual(sources(waiter), [0, 31, 32, 255]);
    });

    it('is quiet when nobody rings, and after all was served', (t) => {
      const { ringer, waiter } = bell(t);
      assert.equal(waiter.wait(1), false);
      ringer.ring(3);
      waiter.wait(0);
      waiter.pending.fill(0);
      assert.equal(waiter.wait(0), false);
    });

    it('reports again what was not served', (t) => {
      const { ringer, waiter } = bell(t);
      ringer.ring(3);
      waiter.wait(0);
      assert.equal(waiter.wait(0), true);
    });

    it('wakes a waiter from another process', async (t) => {
      const { file, waiter } = bell(t);
      const child = spawn(process.execPath, ['--input-type=module', '-e', kind.ringElsewhere(file, 200)], {
        stdio: 'inherit',
      });
      const ended = once(child, 'exit');
      for (let turns = 0; turns < 400 && !waiter.wait(50); turns++);
      assert.deepEqual(sources(waiter), [200]);
      assert.deepEqual(await ended, [0, null]);
    });
  });
}
