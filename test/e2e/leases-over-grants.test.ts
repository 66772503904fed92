/**
 * dom0 lends to applications of two guests, by the agents as they are, on a machine without Xen: three sets of processes are
 * the domains, a stand-in for Xen's devices is loaded into them (test/fakes/xen-devices.c), and xenstored is a small one.
 * What the stand-in cannot show, such as what Xen and the kernel do at a death, the emulated board does (test/xen).
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { askBackend } from '../../src/demo/backend-status.ts';
import { packageRoot } from '../../src/package-root.ts';
import { MIB } from '../../src/units.ts';
import { compileXenDevices } from '../fakes/xen-process.ts';
import { FakeXenstored } from '../fakes/xenstored.ts';
import type { LeaseCalls } from '../xen/lease-program.ts';
import { afterATurn, isAtRest, type LentStatus } from '../xen/lent-status.ts';

const PATIENCE_MILLIS = 60_000;
const DOMIDS: Readonly<Record<string, number>> = { dom0: 0, cluster: 1, infotainment: 2 };
const MAIN = path.join(packageRoot(), 'dist/bin/memtide.js');
const APPLICATION = fileURLToPath(new URL('../xen/lease-program.js', import.meta.url));
const ARENA_MIB = 32;
const CHUNK_MIB = 1;
const RESERVE_MIB = 4;
const LEAST_MIB = ARENA_MIB / 2 - ARENA_MIB / 8;

const folder = fs.mkdtempSync('/dev/shm/memtide-grants-');
const { library, skip } = compileXenDevices(folder);

describe('leases over grants, without Xen', { skip, timeout: 300_000 }, () => {
  const store = new FakeXenstored();
  const agents = new Map<string, ChildProcess>();
  const applications: Application[] = [];
  const runDir = (domain: string): string => path.join(folder, `run-${domain}`);

  const start = (domain: string, ...args: string[]): ChildProcess =>
    spawn(process.execPath, args, {
      env: { ...process.env, LD_PRELOAD: library, FAKE_XEN_DIR: folder, FAKE_DOMID: String(DOMIDS[domain]) },
      stdio: ['ignore', 'ignore', fs.openSync(path.join(folder, `${domain}.log`), 'a')],
    });
  const startAgent = (domain: string): void => {
    const role = domain === 'dom0' ? ['--role', 'backend'] : ['--domain', domain];
    const config = path.join(folder, domain === 'dom0' ? 'dom0.json' : 'guest.json');
    agents.set(domain, start(domain, MAIN, 'agent', ...role, '--config', config, '--run-dir', runDir(domain)));
  };
  const stopAgent = async (domain: string): Promise<void> => {
    const agent = agents.get(domain)!;
    const ended = once(agent, 'exit');
    agent.kill('SIGTERM');
    await ended;
  };

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    const deadline = performance.now() + PATIENCE_MILLIS;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (performance.now() > deadline) {
        const logs = Object.keys(DOMIDS).map((name) => fs.readFileSync(path.join(folder, `${name}.log`), 'utf8'));
        throw new Error(`not within ${PATIENCE_MILLIS} ms: ${what}\n${logs.join('\n')}`);
      }
      await sleep(50);
    }
  }
  const lent = async (): Promise<LentStatus> => {
    const status = await askBackend(new RunFiles(runDir('dom0')).backendSocket);
    return status.lent as unknown as LentStatus;
  };
  const untilLent = (what: string, isSo: (status: LentStatus) => boolean): Promise<LentStatus> =>
    until(what, async () => {
      const status = await lent().catch(() => undefined);
      return status && isSo(status) ? status : undefined;
    });
  const granted = ({ guests }: LentStatus, name: string): number =>
    (guests.find((guest) => guest.name === name)?.granted_bytes ?? 0) / MIB;
  const isShared = (status: LentStatus): boolean =>
    ['cluster', 'infotainment'].every((name) => granted(status, name) >= LEAST_MIB) &&
    granted(status, 'cluster') + granted(status, 'infotainment') === ARENA_MIB;
  const open = async (domain: string): Promise<Application> => {
    const application = await Application.start((port) =>
      start(domain, APPLICATION, '127.0.0.1', String(port), runDir(domain)),
    );
    applications.push(application);
    await until('an application is let in', () =>
      application.call('connect', domain).then(
        () => true as const,
        () => undefined,
      ),
    );
    return application;
  };
  const takeAll = async (application: Application): Promise<number> => {
    let taken = 0;
    while (await application.call('tryBorrow', CHUNK_MIB)) taken += CHUNK_MIB;
    return taken;
  };

  before(async () => {
    const port = await freePort();
    const shared = {
      vehicle: 'grants',
      total_mib: 64,
      arena: { chunk_kib: 1024 * CHUNK_MIB, pool_mib: 4 },
      xen: { arena_mib: ARENA_MIB },
    };
    const domain = { floor_mib: 8, ceiling_mib: 48, budget_mib: 16 };
    const domains = ['cluster', 'infotainment'].map((name) => ({ name, ...domain }));
    const write = (name: string, config: object): void =>
      fs.writeFileSync(path.join(folder, name), JSON.stringify({ ...shared, ...config }));
    write('dom0.json', { domains, mqtt: { embedded: { port } } });
    const url = `mqtt://127.0.0.1:${port}`;
    write('guest.json', {
      domains: domains.map((each) => ({ ...each, reserve_mib: RESERVE_MIB })),
      coordination: 'mqtt',
      mqtt: { url },
    });
    for (const [name, domid] of Object.entries(DOMIDS)) {
      await store.listen(path.join(folder, `xs-${domid}`), domid);
      if (domid !== 0) store.introduce(domid, name);
      fs.writeFileSync(path.join(folder, `limit-${domid}`), '1024');
    }
    for (const name of Object.keys(DOMIDS)) startAgent(name);
  });
  after(async () => {
    for (const application of applications) application.stop();
    for (const agent of agents.values()) agent.kill('SIGKILL');
    await store.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  test('the agents find each other through xenstore, and each guest has its share, mapped', async () => {
    await untilLent('each guest has its share', isShared);
    const application = await open('cluster');
    await until('all of it is there to be claimed', async () =>
      (await application.call('claimableMib')) >= LEAST_MIB ? true : undefined,
    );
    const { guests } = await lent();
    assert.deepEqual(
      guests.map(({ violations }) => violations),
      [0, 0],
    );
  });

  test('a lease from what is reserved or offered rings nobody in dom0', async () => {
    const [application] = applications as [Application];
    const rungByGuests = async (): Promise<number | undefined> =>
      (await afterATurn(async () => (await lent()).figures)).rungByDomains;
    for (let round = 0; round < 5; round++) {
      await untilLent('nothing is under way', (status) => isAtRest(status, 2, RESERVE_MIB * MIB));
      const before = await rungByGuests();
      for (let lease = 0; lease < 2; lease++) assert.equal((await application.call('tryBorrow', CHUNK_MIB))!.peer, 0);
      assert.equal(await rungByGuests(), before);
      assert.equal(await application.call('releaseAll'), 2);
    }
  });

  test('leases up to all that is granted are served while dom0’s agent stands still', async () => {
    const [application] = applications as [Application];
    await untilLent('all is clean', ({ guests }) => guests.every((guest) => guest.leased_bytes === 0));
    agents.get('dom0')!.kill('SIGSTOP');
    try {
      const claimable = await application.call('claimableMib');
      const taken = await takeAll(application);
      assert.ok(taken > 0 && taken >= claimable, `${taken} of ${claimable} MiB`);
      assert.equal(await application.call('leasesHold'), true);
      await application.call('releaseAll');
    } finally {
      agents.get('dom0')!.kill('SIGCONT');
    }
  });

  test('memory that nobody uses goes to the guest that uses its own up, and back', async () => {
    const [application] = applications as [Application];
    const before = await untilLent('shares are equal', isShared);
    let taken = 0;
    await until('it has taken more than its own', async () => {
      taken += await takeAll(application); // memory may come while it takes
      return taken > granted(before, 'cluster') ? true : undefined;
    });
    await untilLent('the other has less', (now) => granted(now, 'infotainment') < granted(before, 'infotainment'));
    assert.equal(await application.call('leasesHold'), true);
    await application.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });

  test('what a program does not give back counts as stuck until it does', async () => {
    const [application] = applications as [Application];
    const other = await open('infotainment'); // it has mapped all of its part
    other.stopFor(true);
    try {
      await takeAll(application);
      await untilLent('what it has mapped is stuck', ({ stuck_bytes }) => stuck_bytes > 0);
    } finally {
      other.stopFor(false);
    }
    await untilLent('it has let go', ({ stuck_bytes }) => stuck_bytes === 0);
    await application.call('releaseAll');
    await untilLent('shares are equal again', isShared);
  });

  test('a connection that is closed leaves nothing of its agent or of dom0 mapped, leases or not', async () => {
    const [application] = applications as [Application];
    const mapped = (): boolean => fs.readFileSync(`/proc/${application.pid}/maps`, 'latin1').includes('/pages-');
    await until('it leases', async () => ((await application.call('tryBorrow', 3)) ? true : undefined));
    while (await application.call('tryBorrow', 3)); // some of it scattered: pieces shown side by side
    assert.equal(mapped(), true);
    await application.call('close');
    assert.equal(mapped(), false);
    await untilLent('its memory is there again', ({ guests }) =>
      guests.every(({ leased_bytes }) => leased_bytes === 0),
    );
  });

  test('dom0’s agent is started again: guests’ agents live on, and applications connect anew', async () => {
    for (const application of applications) await application.call('close');
    await stopAgent('dom0');
    startAgent('dom0');
    await untilLent('each guest has its share', isShared);
    for (const guest of ['cluster', 'infotainment']) assert.equal(agents.get(guest)!.exitCode, null);
    const application = await open('cluster');
    await until('it can lease', async () => ((await application.call('tryBorrow', 3)) ? true : undefined));
  });
});

/** An application in a guest, asked over a connection: test/xen/lease-program.ts. */
class Application {
  readonly #child: ChildProcess;
  readonly #socket: net.Socket;
  readonly #waiting: Array<{ resolve: (result: never) => void; reject: (error: Error) => void }> = [];

  private constructor(child: ChildProcess, socket: net.Socket) {
    this.#child = child;
    this.#socket = socket;
    createInterface({ input: socket }).on('line', (line) => {
      const { result, error } = JSON.parse(line) as { result?: never; error?: string };
      const { resolve, reject } = this.#waiting.shift()!;
      if (error === undefined) resolve(result!);
      else reject(new Error(error));
    });
    socket.on('error', () => {});
  }

  static async start(spawnAt: (port: number) => ChildProcess): Promise<Application> {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const child = spawnAt((server.address() as net.AddressInfo).port);
    const [socket] = (await once(server, 'connection')) as [net.Socket];
    server.close();
    return new Application(child, socket);
  }

  call<Name extends keyof LeaseCalls>(
    name: Name,
    ...args: Parameters<LeaseCalls[Name]>
  ): Promise<Awaited<ReturnType<LeaseCalls[Name]>>> {
    this.#socket.write(`${JSON.stringify({ name, args })}\n`);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve: resolve as never, reject }));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** It stands still, or goes on. */
  stopFor(still: boolean): void {
    this.#child.kill(still ? 'SIGSTOP' : 'SIGCONT');
  }

  stop(): void {
    this.#socket.destroy();
    this.#child.kill('SIGKILL');
  }
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  return port;
}
