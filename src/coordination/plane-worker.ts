import fs from 'node:fs';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.ts';
import type { DoorbellRinger, DoorbellWaiter } from '../control/contracts.ts';
import { openControlFile } from '../control/control-file.ts';
import { FifoRinger, FifoWaiter } from '../control/fifo-bell.ts';
import { FutexRinger, FutexWaiter } from '../control/futex-bell.ts';
import { FRONT_BELL, PING } from '../control/layout.ts';
import { type OwnerWords, openOwnersFile, residentExtents } from '../control/owner-table.ts';
import { memset } from '../native/libc.ts';
import { mapFile, wordsOf } from '../native/mapping.ts';
import { threadCpuMicros } from '../native/scratch.ts';
import { sessionGroup } from '../native/session-group.ts';
import { callingThread } from '../native/thread-scheduling.ts';
import { type Arena, openArena } from '../platforms/arena/arena-file.ts';
import { ChunkBooks } from './chunk-books.ts';
import { collectGarbage } from './collect-garbage.ts';
import { PlaneConstructs, type PlaneScheduling } from './plane-constructs.ts';
import type { PlaneLoop, PlaneTools } from './plane-loop.ts';
import {
  type LocalPlaneStart,
  PLANE_CONTROL,
  PLANE_FIGURES,
  PLANE_THREAD_NAME,
  type PlaneCommand,
  type PlaneData,
  type PlaneMessage,
  RESIZES,
} from './plane-thread.ts';
import { boundRealtime, RealtimeGuard } from './realtime-guard.ts';
import { DomainFiles } from './run-files.ts';
import { SessionWaker } from './session-waker.ts';
import { SOURCE_BACKEND } from './sources.ts';

/**
 * The fast plane's thread: sets a plane up, then loops until it is told to stop. See plane-thread.ts. Of the two planes
 * it loads its own only.
 */

const {
  start,
  port,
  control: controlBuffer,
  figures: figureBuffer,
  violations: violationBuffer,
} = workerData as PlaneData;
const control = new Int32Array(controlBuffer);
const figures = new Float64Array(figureBuffer);
const violations = new Int32Array(violationBuffer);
const set = (name: (typeof PLANE_FIGURES)[number], value: number): void => {
  figures[PLANE_FIGURES.indexOf(name)] = value;
};

/** How often figures and heartbeats are brought up to date, in microseconds. */
const BEAT_MICROS = 100_000;

let scrubCpuMicros = 0;
/** Keeps account of the CPU time that zeroing takes: the background cost of a warm lease. */
const timed: PlaneTools['timed'] = (scrub) => (offset, length) => {
  const before = threadCpuMicros();
  scrub(offset, length);
  scrubCpuMicros += threadCpuMicros() - before;
};

const scrubber = ({ mapping }: Arena): ((offset: number, length: number) => void) =>
  timed((offset, length) => memset(mapping.address + offset, 0, length));

function openOwners({ owners, geometry }: LocalPlaneStart, access: 'read' | 'write'): OwnerWords {
  return openOwnersFile(owners.path, { chunkCount: geometry.chunkCount, arenaId: owners.arenaId }, access);
}

function backendBell({ doorbell, backendBell: file }: LocalPlaneStart): DoorbellWaiter {
  if (doorbell === 'fifo') return new FifoWaiter(file);
  const mapping = mapFile(file, 4096, 'doorbell');
  return new FutexWaiter({ words: wordsOf(mapping), at: 0, address: mapping.address });
}

async function backendLoop(begin: LocalPlaneStart & { role: 'backend' }): Promise<PlaneLoop> {
  const [{ BackendPlane }, { futexPingPong }] = await Promise.all([
    import('./backend-plane.ts'),
    import('./ping-pong.ts'),
  ]);
  const arena = openArena(begin.arena);
  const ringers: DoorbellRinger[] = [];
  const pings: { words: Int32Array; address: number }[] = [];
  const owners = openOwners(begin, 'write');
  const pingPong = (pair: number, count: number): void => {
    const ping = pings[pair];
    if (ping) futexPingPong(ping, PING, count, false);
  };
  const plane = new BackendPlane(
    begin.geometry,
    {
      clock: systemClock,
      scrub: scrubber(arena),
      ringFront: (pair) => ringers[pair]?.ring(SOURCE_BACKEND),
      ...(begin.allowPing ? { pingPong } : {}),
      answerOverLink: (pair, id, session, chunks, status, decideMicros, releaseMicros) => {
        const given = { id, session, chunks, status, decideMicros, releaseMicros };
        parentPort?.postMessage({ pair, given } satisfies PlaneMessage);
      },
    },
    new ChunkBooks(begin.geometry.chunkCount, owners),
  );
  plane.setMode(begin.split, begin.stuckBackoffMicros);
  const chunkBytes = 2 ** begin.geometry.chunkShift;
  for (const { offset, length } of residentExtents(owners, chunkBytes)) arena.premap(offset, length);
  const waiter = backendBell(begin);
  return {
    waiter,
    poll: () => plane.poll(waiter.pending),
    beat: () => plane.beat(),
    obey(command) {
      if (command.kind === 'pair') {
        const files = new DomainFiles(command.directory);
        const { file, identity } = openControlFile(files.control);
        ringers[command.id] =
          begin.doorbell === 'fifo'
            ? new FifoRinger(files.bell)
            : new FutexRinger({ words: file.words, at: FRONT_BELL, address: file.address });
        pings[command.id] = { words: file.words, address: file.address };
        plane.addPair(command.id, file, identity, command.limits);
      } else if (command.kind === 'need') {
        plane.need(command.pair, command.id, command.session, command.chunks, command.deadlineMicros);
      } else if (command.kind === 'limits') plane.setLimits(command.id, command.limits);
      else if (command.kind === 'pressured') plane.setPressured(command.id, command.pressured);
      else if (command.kind === 'mode') plane.setMode(command.split, command.stuckBackoffMicros);
      else if (command.kind === 'populate') {
        for (let left = command.count; left > 0; left--) {
          const chunk = plane.books.nextAbsent();
          if (chunk < 0 || !arena.populate(chunk * chunkBytes, chunkBytes)) break;
          if (command.lock) arena.lock(chunk * chunkBytes, chunkBytes);
          plane.books.addFree(chunk, true);
        }
      } else if (command.kind === 'punch') {
        for (let left = command.count; left > 0; left--) {
          const chunk = plane.books.removeFree();
          if (chunk < 0) break;
          arena.punch(chunk * chunkBytes, chunkBytes);
        }
      }
    },
    publish() {
      for (const name of ['requests', 'served', 'refused', 'revocations', 'donorMisses', 'violations'] as const) {
        set(name, plane.stats[name]);
      }
      set('scrubbedBytes', plane.stats.scrubbedBytes);
      for (let pair = 0; pair < ringers.length; pair++) violations[pair] = plane.violationsOf(pair);
      set('freeChunks', plane.books.freeChunks);
      set('presentChunks', plane.books.presentChunks);
    },
  };
}

async function frontendLoop(begin: LocalPlaneStart & { role: 'frontend' }): Promise<PlaneLoop> {
  const { FrontendPlane } = await import('./frontend-plane.ts');
  const files = new DomainFiles(begin.domainDirectory);
  const { file, identity } = openControlFile(files.control);
  const arena = openArena(begin.arena);
  let backend: DoorbellRinger;
  if (begin.doorbell === 'fifo') backend = new FifoRinger(begin.backendBell);
  else {
    const bell = mapFile(begin.backendBell, 4096, 'doorbell');
    backend = new FutexRinger({ words: wordsOf(bell), at: 0, address: bell.address });
  }
  const wake = new SessionWaker(file.words, file.address, files);
  const plane = new FrontendPlane(
    file,
    identity,
    {
      clock: systemClock,
      scrub: scrubber(arena),
      wakeSession: (session) => wake.wake(session),
      ringBackend: () => backend.ring(begin.pairId),
    },
    { owners: openOwners(begin, 'read'), pair: begin.pairId },
  );
  const waiter =
    begin.doorbell === 'fifo'
      ? new FifoWaiter(files.bell)
      : new FutexWaiter({ words: file.words, at: FRONT_BELL, address: file.address });
  return {
    waiter,
    poll: () => plane.poll(waiter.pending),
    beat: () => {},
    obey(command) {
      if (command.kind !== 'given') return;
      const { session, id, chunks, status, decideMicros, releaseMicros } = command;
      plane.given(session, id, chunks, status, decideMicros, releaseMicros);
    },
    publish() {
      set('requests', plane.stats.requests);
      set('served', plane.stats.given);
      set('revocations', plane.stats.revoked);
      set('violations', plane.stats.violations);
      set('scrubbedBytes', plane.stats.scrubbedBytes);
    },
  };
}

const tools: PlaneTools = { set, violations, timed, say: (message) => parentPort?.postMessage(message) };

async function openLoop(): Promise<PlaneLoop> {
  if (start.role === 'backend') return backendLoop(start);
  if (start.role === 'frontend') return frontendLoop(start);
  if (start.role === 'lender') return (await import('./lender-loop.ts')).lenderLoop(start, tools);
  return (await import('./guest-loop.ts')).guestLoop(start, tools);
}

const loop = await openLoop();
const constructs = new PlaneConstructs({
  thread: callingThread,
  session: sessionGroup,
  spin(micros) {
    if (!(loop.waiter instanceof FutexWaiter)) return false;
    loop.waiter.spinMicros = micros;
    return true;
  },
  boundRealtime,
});
const guard = new RealtimeGuard({
  cpuMicros: threadCpuMicros,
  setUrgent: (urgent) => callingThread.setPolicy(urgent ? 'fifo' : 'other', urgent ? constructs.fifoPriority : 0),
});

function schedule(scheduling: PlaneScheduling): void {
  const message: PlaneMessage = { constructs: constructs.apply(scheduling) };
  guard.watch(constructs.fifoPriority > 0, systemClock.monotonicMicros());
  parentPort?.postMessage(message);
}

try {
  fs.writeFileSync('/proc/thread-self/comm', PLANE_THREAD_NAME);
} catch {
  // A sandbox may hide /proc; the thread has Node's name then.
}
await collectGarbage(); // The last turn of the event loop, and before the thread is urgent.
loop.publish();
schedule(start.scheduling);

let nextBeatMicros = 0;
let polls = 0;
while (Atomics.load(control, PLANE_CONTROL.stop) === 0) {
  if (Atomics.exchange(control, PLANE_CONTROL.commands, 0) === 1) {
    guard.calm(systemClock.monotonicMicros());
    let resizes = 0;
    for (let message = receiveMessageOnPort(port); message; message = receiveMessageOnPort(port)) {
      const command = message.message as PlaneCommand;
      if (command.kind === 'scheduling') schedule(command.scheduling);
      else loop.obey(command);
      if (RESIZES.includes(command.kind)) resizes++;
    }
    loop.publish(); // whoever gave the command may be waiting to see it done
    Atomics.add(control, PLANE_CONTROL.resized, resizes);
  }
  const waitMillis = loop.poll();
  polls++;
  const now = systemClock.monotonicMicros();
  if (now >= nextBeatMicros) {
    nextBeatMicros = now + BEAT_MICROS;
    loop.beat();
    loop.publish();
    set('scrubCpuMicros', scrubCpuMicros);
    set('cpuMicros', threadCpuMicros());
    set('polls', polls);
  }
  const longest = guard.turn(now);
  if (waitMillis > 0) loop.waiter.wait(Math.min(waitMillis, longest));
}
constructs.undo();
loop.publish();
loop.close?.();
port.close();
