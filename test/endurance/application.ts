/**
 * An application that lives among kills: borrows, looks whether what it got is zeroed, writes a pattern of its own, looks
 * whether the pattern is still there, and releases. Anything else than that is a fault, told on stdout.
 *
 * Arguments: run directory, domain, seed, role. A `worker` may be killed at any time; a `holder` keeps one lease for its
 * whole life; a `prober` lives in a hostile domain, whose leases may be taken from under it: it writes nothing, and looks
 * only whether what it is given is its domain's by the back end's books. SIGTERM: releases everything and ends.
 */
import { OWNER, type OwnerWords, openOwnersFile, ownedBy } from '../../src/control/owner-table.ts';
import { readArenaInfo } from '../../src/coordination/arena-info.ts';
import { RunFiles } from '../../src/coordination/run-files.ts';
import { BorrowRefused, type Connection, connect, type Lease } from '../../src/index.ts';
import { KIB, MIB } from '../../src/units.ts';
import { random } from './random.ts';

const [, , runDir, domain, seedText, role] = process.argv as unknown as [
  string,
  string,
  string,
  string,
  string,
  string,
];
const dice = random(Number(seedText));
const SIZES = [64 * KIB, 192 * KIB, MIB, 2 * MIB, 3 * MIB, 6 * MIB, 10 * MIB] as const;
const zeroes = Buffer.alloc(Math.max(...SIZES));

interface Held {
  readonly lease: Lease;
  readonly pattern: Buffer;
}

const held: Held[] = [];
let served = 0;
let refused = 0;
/** When a request that somebody had to answer was served last. */
let askedAtMicros = 0;
let ending = false;

const say = (message: object): void => {
  process.stdout.write(`${JSON.stringify(message)}\n`);
};
const nowMicros = (): number => Number(process.hrtime.bigint() / 1000n);

function fault(what: string, lease: Lease): void {
  say({
    fault: `${domain} pid ${process.pid}: ${what} (${lease.byteLength} bytes at ${lease.arenaOffset ?? 'scattered'})`,
  });
}

function take(lease: Lease): Held {
  if (role === 'prober') {
    expectGranted(lease);
    return { lease, pattern: zeroes.subarray(0, 0) };
  }
  const view = Buffer.from(lease.view.buffer, lease.view.byteOffset, lease.byteLength);
  if (!view.equals(zeroes.subarray(0, view.length))) fault('handed on unscrubbed', lease);
  const pattern = Buffer.alloc(view.length, 1 + dice(255));
  pattern.writeUInt32LE(process.pid, 0);
  pattern.writeUInt32LE(served, 4);
  pattern.copy(view);
  return { lease, pattern };
}

/** The claim was made before this look, and a hostile ledger may have moved on: only a chunk of others is a fault. */
function expectGranted(lease: Lease): void {
  if (lease.arenaOffset === undefined) return;
  const first = Math.floor(lease.arenaOffset / books.chunkBytes);
  const last = Math.floor((lease.arenaOffset + lease.byteLength - 1) / books.chunkBytes);
  for (let chunk = first; chunk <= last; chunk++) {
    const owner = books.owners[chunk]!;
    if (owner >= OWNER.firstPair && owner !== ownedBy(books.pair)) fault(`chunk ${chunk} is of another domain`, lease);
  }
}

function look({ lease, pattern }: Held): void {
  if (role === 'prober') return;
  const view = Buffer.from(lease.view.buffer, lease.view.byteOffset, lease.byteLength);
  if (!view.equals(pattern)) fault('somebody else wrote into it', lease);
}

function letGo(one: Held): void {
  look(one);
  held.splice(held.indexOf(one), 1);
  one.lease.release();
}

function openBooks(): { readonly owners: OwnerWords; readonly pair: number; readonly chunkBytes: number } {
  const files = new RunFiles(runDir);
  const { arena, arenaId, chunkBytes, domains } = readArenaInfo(files.arenaInfo)!;
  const chunkCount = arena.byteLength / chunkBytes;
  return {
    owners: openOwnersFile(files.owners, { chunkCount, arenaId }, 'read'),
    pair: domains.indexOf(domain),
    chunkBytes,
  };
}

async function step(memory: Connection): Promise<void> {
  const byteLength = SIZES[dice(SIZES.length)]!;
  const revocable = dice(3) === 0;
  try {
    const lease = await memory.borrow(byteLength, {
      deadline: 100 + dice(400),
      revocable,
      onReclaim: ({ lease: wanted }) => {
        const one = held.find((each) => each.lease === wanted);
        // Every fourth is not let go of: a donor may be stuck.
        if (one && dice(4) !== 0) letGo(one);
      },
    });
    served++;
    if (lease.stages.notifyMicros !== undefined) askedAtMicros = nowMicros();
    held.push(take(lease));
  } catch (error) {
    if (!(error instanceof BorrowRefused)) throw error;
    refused++;
  }
  while (held.length > 3 + dice(3)) letGo(held[dice(held.length)]!);
  for (const one of held) look(one);
}

const books = openBooks();
const memory = await connect({ domain, runDir });
const kept = role === 'holder' ? take(await memory.borrow(4 * MIB, { deadline: 5000 })) : undefined;
process.once('SIGTERM', () => {
  ending = true;
});
say({ ready: true });
const report = setInterval(() => say({ served, refused, askedAtMicros }), 50);
while (!ending) {
  await step(memory);
  if (kept) look(kept);
  await new Promise((resolve) => setTimeout(resolve, 2 + dice(10)));
}
clearInterval(report);
for (const one of [...held]) letGo(one);
if (kept) {
  look(kept);
  kept.lease.release();
}
await memory.close();
say({ served, refused, askedAtMicros, ended: true });
