/** Scheduler constructs: on a model of a thread, on this thread, and on the thread of a real fast plane. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, afterEach, describe, it, type TestContext } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { BackendService } from '../../../src/coordination/backend-service.ts';
import {
  type ConstructReport,
  PlaneConstructs,
  type PlaneScheduling,
} from '../../../src/coordination/plane-constructs.ts';
import { boundRealtime } from '../../../src/coordination/realtime-guard.ts';
import { sessionGroup } from '../../../src/native/session-group.ts';
import {
  callingThread,
  type SchedulingPolicy,
  type ThreadScheduler,
  type ThreadScheduling,
} from '../../../src/native/thread-scheduling.ts';
import { bytes, MIB } from '../../../src/units.ts';

const EVERYTHING: PlaneScheduling = { nice: -15, policy: 'fifo', fifoPriority: 10, cpu: 2, spinMicros: 50 };

/** A thread of a machine with four CPUs. @param refuses the errno for what it is not allowed. */
class ModelThread implements ThreadScheduler {
  state: ThreadScheduling = { nice: 0, policy: 'other', priority: 0, cpus: [0, 1, 2, 3] };
  spinMicros = 0;
  bound = false;
  /** Undefined where sessions are not scheduled as groups. */
  sessionNice: number | undefined;
  leadsSession = true;
  readonly #refuses: string | undefined;

  constructor(refuses?: string) {
    this.#refuses = refuses;
  }

  read(): ThreadScheduling {
    return this.state;
  }

  setNice(nice: number): string | undefined {
    if (this.#refuses !== undefined && nice < this.state.nice) return this.#refuses;
    this.state = { ...this.state, nice };
    return undefined;
  }

  setPolicy(policy: SchedulingPolicy, priority: number): string | undefined {
    if (policy === 'fifo') {
      assert.ok(this.bound, 'no real-time thread without a bound');
      if (this.#refuses !== undefined) return this.#refuses;
    }
    this.state = { ...this.state, policy, priority };
    return undefined;
  }

  setCpus(cpus: readonly number[]): string | undefined {
    if (cpus.some((cpu) => cpu > 3)) return 'EINVAL';
    this.state = { ...this.state, cpus };
    return undefined;
  }

  constructs(more: { readonly bellIsPipe?: boolean; readonly boundRefused?: string } = {}): PlaneConstructs {
    return new PlaneConstructs({
      thread: this,
      session: {
        readNice: () => this.sessionNice,
        leads: () => this.leadsSession,
        setNice: (nice) => {
          if (this.#refuses !== undefined && nice < this.sessionNice!) return this.#refuses;
          this.sessionNice = nice;
          return undefined;
        },
      },
      spin: (micros) => {
        if (more.bellIsPipe) return false;
        this.spinMicros = micros;
        return true;
      },
      boundRealtime: () => {
        if (more.boundRefused !== undefined) return { errno: more.boundRefused };
        this.bound = true;
        return { lift: () => (this.bound = false) };
      },
    });
  }
}

const refusals = (reports: readonly ConstructReport[]): string[] =>
  reports.filter(({ refused }) => refused !== undefined).map(({ construct, refused }) => `${construct}: ${refused}`);

describe('constructs on a model of a thread', () => {
  it('are all in force where they are allowed, and reported as the kernel says', () => {
    const thread = new ModelThread();
    const reports = thread.constructs().apply(EVERYTHING);
    assert.deepEqual(reports, [
      { construct: 'cpu', wanted: 'CPU 2', in_force: 'CPU 2' },
      { construct: 'nice', wanted: '-15', in_force: '-15' },
      { construct: 'policy', wanted: 'fifo 10', in_force: 'fifo 10' },
      { construct: 'spin', wanted: '50 µs', in_force: '50 µs' },
    ]);
    assert.deepEqual(thread.state, { nice: -15, policy: 'fifo', priority: 10, cpus: [2] });
  });

  it('are undone to what was there before', () => {
    const thread = new ModelThread();
    const before = thread.state;
    const constructs = thread.constructs();
    constructs.apply(EVERYTHING);
    constructs.undo();
    assert.deepEqual([thread.state, thread.spinMicros, thread.bound], [before, 0, false]);
  });

  it('replace each other: nothing of the ones before is left', () => {
    const thread = new ModelThread();
    const constructs = thread.constructs();
    constructs.apply(EVERYTHING);
    constructs.apply({ nice: -5 });
    assert.deepEqual(thread.state, { nice: -5, policy: 'other', priority: 0, cpus: [0, 1, 2, 3] });
    constructs.undo();
    assert.equal(thread.state.nice, 0);
  });

  it('that are refused are reported with a mend, and the others hold', () => {
    const thread = new ModelThread('EPERM');
    const constructs = thread.constructs();
    const reports = constructs.apply(EVERYTHING);
    assert.deepEqual(refusals(reports), ['nice: EPERM', 'policy: EPERM']);
    assert.match(reports[1]!.mend!, /LimitNICE/);
    assert.match(reports[2]!.mend!, /LimitRTPRIO/);
    assert.deepEqual(thread.state.cpus, [2]);
    assert.deepEqual([constructs.fifoPriority, thread.bound], [0, false]);
  });

  it('name the CPUs that there are when one is asked for that there is not', () => {
    const [report] = new ModelThread().constructs().apply({ cpu: 9 });
    assert.deepEqual(report, {
      construct: 'cpu',
      wanted: 'CPU 9',
      in_force: 'any of 4 CPUs',
      refused: 'EINVAL',
      mend: 'set fast_plane.cpu to one of 0-3',
    });
  });

  it('make no real-time thread that nothing bounds', () => {
    const thread = new ModelThread();
    const reports = thread.constructs({ boundRefused: 'EPERM' }).apply({ policy: 'fifo' });
    assert.deepEqual(refusals(reports), ['policy: EPERM']);
    assert.equal(thread.state.policy, 'other');
  });

  it('put the whole session forward where sessions are scheduled as groups, and put back', () => {
    const thread = new ModelThread();
    thread.sessionNice = 0;
    const constructs = thread.constructs();
    const reports = constructs.apply({ nice: -15 });
    assert.deepEqual(reports[1], { construct: 'session', wanted: '-15', in_force: '-15' });
    assert.equal(thread.sessionNice, -15);
    constructs.undo();
    assert.equal(thread.sessionNice, 0);
  });

  it('leave the session of somebody else alone, and say what that means', () => {
    const thread = new ModelThread();
    thread.sessionNice = 0;
    thread.leadsSession = false;
    const constructs = thread.constructs();
    const reports = constructs.apply({ nice: -15 });
    assert.deepEqual(refusals(reports), ['session: EPERM']);
    assert.match(reports[1]!.mend!, /within a session/);
    constructs.undo();
    assert.equal(thread.sessionNice, 0);
  });

  it('say that a pipe cannot be spun on', () => {
    const [report] = new ModelThread().constructs({ bellIsPipe: true }).apply({ spinMicros: 50 });
    assert.match(report!.mend!, /fast_plane.doorbell/);
  });

  it('that have no effect although no call failed count as refused', () => {
    const thread = new ModelThread();
    thread.setNice = () => undefined;
    assert.deepEqual(refusals(thread.constructs().apply({ nice: -15 })), ['nice: no effect']);
  });
});

describe('constructs on this thread', () => {
  const constructs = new PlaneConstructs({
    thread: callingThread,
    session: sessionGroup,
    spin: () => true,
    boundRealtime,
  });
  afterEach(() => constructs.undo());

  it('read what the kernel says of the thread', () => {
    const { nice, policy, cpus } = callingThread.read();
    assert.deepEqual([nice, policy], [os.getPriority(), 'other']);
    assert.equal(cpus.length, os.availableParallelism());
  });

  it('pin it and let it go again, which needs no right', () => {
    const before = callingThread.read();
    const [cpu] = before.cpus;
    assert.deepEqual(refusals(constructs.apply({ cpu: cpu! })), []);
    assert.deepEqual(callingThread.read().cpus, [cpu]);
    constructs.undo();
    assert.deepEqual(callingThread.read(), before);
  });

  it('are refused for a CPU that is not there', () => {
    assert.deepEqual(refusals(constructs.apply({ cpu: 1000 })), ['cpu: EINVAL']);
  });
});

const program = fileURLToPath(new URL('./constructs-program.js', import.meta.url));
const isRoot = process.getuid?.() === 0;

it('an ordinary user is refused what is not allowed, and goes on', {
  skip: !isRoot && 'needs root to become one',
}, (t) => {
  const { stdout, status, stderr, error } = spawnSync(process.execPath, [program, 'report'], {
    uid: 65_534,
    gid: 65_534,
    encoding: 'utf8',
  });
  if (error && 'code' in error && error.code === 'EACCES') return t.skip('that user may not run this Node');
  if (/EACCES: permission denied|Cannot find module/.test(stderr)) return t.skip('that user may not read this folder');
  assert.equal(status, 0, stderr);
  const reports = JSON.parse(stdout) as ConstructReport[];
  assert.deepEqual(
    reports.filter(({ construct }) => construct !== 'session').map(({ construct, refused }) => [construct, refused]),
    [
      ['cpu', undefined],
      ['nice', 'EACCES'],
      ['policy', 'EPERM'],
      ['spin', undefined],
    ],
  );
});

it('a real-time thread that hangs ends by the bound, and does not take the machine with it', (t: TestContext) => {
  const { signal, stdout } = spawnSync(process.execPath, [program, 'hang'], {
    encoding: 'utf8',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  const policy = (JSON.parse(stdout) as ConstructReport[]).find(({ construct }) => construct === 'policy')!;
  if (policy.refused !== undefined) return t.skip(`no real-time scheduling here: ${policy.refused}`);
  assert.equal(signal, 'SIGXCPU');
});

/** Niceness, real-time priority and CPUs of each thread of this process: fields 19 and 40 of proc_pid_stat(5). */
function threads(): { nice: number; priority: number; cpus: string }[] {
  return fs.readdirSync('/proc/self/task').map((thread) => {
    const stat = fs.readFileSync(`/proc/self/task/${thread}/stat`, 'latin1').replace(/^.*\) /s, '');
    const fields = stat.split(' ');
    const status = fs.readFileSync(`/proc/self/task/${thread}/status`, 'latin1');
    return {
      nice: Number(fields[16]),
      priority: Number(fields[37]),
      cpus: /^Cpus_allowed_list:\s+(\S+)$/m.exec(status)![1]!,
    };
  });
}

describe('constructs of a running fast plane', () => {
  const runDir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-constructs-'));
  const [cpu] = callingThread.read().cpus;
  const NICE = Math.min(19, os.getPriority() + 5);
  let service: BackendService | undefined;
  after(async () => {
    await service?.stop();
    fs.rmSync(runDir, { recursive: true, force: true });
  });

  it('are those of its thread alone, change while it runs, and are undone', async () => {
    service = new BackendService({
      runDir,
      arenaBytes: bytes(4 * MIB),
      chunkBytes: 2 * MIB,
      hugePages: 'never',
      lock: false,
      doorbell: 'futex',
      scheduling: { nice: NICE, policy: 'other', cpu: cpu!, spinMicros: 1 },
      mode: 'hypervisor',
      stuckBackoffMillis: 1,
      domains: [],
    });
    await service.start();
    // Tests do not lead a session, so that part may be refused.
    assert.deepEqual(
      refusals(service.constructs).filter((text) => !text.startsWith('session')),
      [],
    );
    assert.equal(threads().filter(({ nice, cpus }) => nice === NICE && cpus === String(cpu)).length, 1);
    assert.equal(threads().filter(({ nice }) => nice === NICE).length, 1);

    await service.setScheduling({ policy: 'fifo', fifoPriority: 7 });
    const refused = refusals(service.constructs);
    const inRealTime = (): number => threads().filter(({ priority }) => priority === 7).length;
    // On a busy machine the guard may just have calmed it; it is back after a quiet moment.
    for (let look = 0; refused.length === 0 && inRealTime() === 0 && look < 500; look++) await wait(10);
    assert.equal(inRealTime(), refused.length === 0 ? 1 : 0);

    await service.setScheduling({});
    assert.deepEqual(
      threads().filter(({ priority }) => priority > 0),
      [],
    );
    if (isRoot) assert.equal(threads().filter(({ nice }) => nice === NICE).length, 0);
    assert.deepEqual(service.constructs, []);
  });
});
