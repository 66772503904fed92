import fs from 'node:fs';
import type { ControlFile } from '../control/contracts.ts';
import { FRONT, type Geometry, SESSION_SLOTS, STATE, stateOf, wordOf } from '../control/layout.ts';
import { type OwnerWords, ownedBy } from '../control/owner-table.ts';
import { isByteLocked, tryLockByte } from '../native/ofd-lock.ts';
import { ChunkKeeper, type ScrubbedMemory } from '../platforms/arena/chunk-keeper.ts';
import { AGENT_LOCK_BYTE, type DomainFiles } from './run-files.ts';
import { SessionTable } from './session-table.ts';

/** A domain as the back end sees it when the domain's own agent is not there. */
export interface LeftDomain {
  readonly files: DomainFiles;
  readonly file: ControlFile;
  readonly geometry: Geometry;
  readonly pair: number;
  readonly owners: OwnerWords;
  readonly memory: ScrubbedMemory;
}

/** Whether any process of a domain lives: its agent, or an application with a session. */
export function anyoneHolds({ locks }: DomainFiles): boolean {
  if (!fs.existsSync(locks)) return false;
  const fd = fs.openSync(locks, 'r+');
  try {
    for (let byte = AGENT_LOCK_BYTE; byte < SESSION_SLOTS; byte++) if (isByteLocked(fd, byte)) return true;
    return false;
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Does for a domain whose agent is dead what its next agent would do: takes back what its dead sessions held, and hands
 * all that nobody uses to the back end. Living sessions keep what they have leased.
 *
 * The agent's lock is the proof, and is held meanwhile, so that no new agent begins in the middle.
 * @returns 'alive' when the domain has an agent, else how many chunks were put into RETURNING.
 */
export function collectLeft(domain: LeftDomain): number | 'alive' {
  const { files, file, geometry, memory } = domain;
  if (!fs.existsSync(files.locks)) return 0; // it has never had one
  const fd = fs.openSync(files.locks, 'r+');
  try {
    if (!tryLockByte(fd, AGENT_LOCK_BYTE)) return 'alive';
    Atomics.store(file.words, FRONT.reserveTarget, 0);
    Atomics.store(file.words, FRONT.owedChunks, 0);
    const keeper = new ChunkKeeper(file, geometry, memory, { owners: domain.owners, pair: domain.pair });
    keeper.takeUp();
    keeper.mend();
    const isHeld = (session: number): boolean => isByteLocked(fd, session);
    new SessionTable(file, geometry, {
      isHeld,
      openWake: () => {},
      closeWake: (session) => fs.rmSync(files.wake(session), { force: true }),
      ring: () => {},
    }).reapDead();
    for (let session = 1; session < SESSION_SLOTS; session++) keeper.dropPromises(session);
    keeper.reserve(geometry.chunkCount);
    let chunks = keeper.revoke(geometry.chunkCount);
    // What is left to scrub are blocks of split chunks, which become whole again.
    while (keeper.scrub(geometry.chunkCount * keeper.ledger.chunkBytes) > 0);
    chunks += keeper.revoke(geometry.chunkCount);
    let someoneLives = false;
    for (let session = 1; session < SESSION_SLOTS && !someoneLives; session++) someoneLives = isHeld(session);
    return someoneLives ? chunks : chunks + returnUnaccounted(domain, keeper);
  } finally {
    fs.closeSync(fd);
  }
}

/** Chunks of the domain that its ledger had lost: nobody is left who could be using them. */
function returnUnaccounted({ owners, pair }: LeftDomain, { ledger }: ChunkKeeper): number {
  let chunks = 0;
  for (let chunk = 0; chunk < ledger.chunkCount; chunk++) {
    if (Atomics.load(owners, chunk) !== ownedBy(pair)) continue;
    if (stateOf(ledger.peek(chunk)) === STATE.returning) continue;
    ledger.set(chunk, wordOf(STATE.returning));
    chunks++;
  }
  return chunks;
}
