import fs from 'node:fs';
import { MemtideError } from '../errors.ts';
import { viewOf } from '../native/libc.ts';
import { type Mapping, mapFile } from '../native/mapping.ts';
import type { ControlFile } from './contracts.ts';
import {
  BLOCK_SHIFT,
  CONTROL_PAGE_BYTES,
  controlBytes,
  type Geometry,
  IDENTITY,
  LAYOUT_VERSION,
  LINE_WORDS,
  MAGIC,
  MAX_CHUNKS,
  SESSION_SLOTS,
  WORD_BYTES,
} from './layout.ts';

/** A control file on tmpfs, mapped. */
export class MappedControlFile implements ControlFile {
  readonly words: Int32Array;
  readonly halfwords: Uint16Array;
  readonly address: number;
  readonly byteLength: number;

  constructor(mapping: Mapping) {
    const view = viewOf(mapping.address, mapping.byteLength);
    this.words = new Int32Array(view);
    this.halfwords = new Uint16Array(view);
    this.address = mapping.address;
    this.byteLength = mapping.byteLength;
  }
}

/** A control file in plain memory of one process, for tests and the simulation. Its bells cannot use a futex. */
export function controlFileInMemory(geometry: Geometry, domainId = 1): ControlFile {
  const buffer = new ArrayBuffer(controlBytes(geometry));
  const words = new Int32Array(buffer);
  writeIdentity(words, geometry, domainId, 0);
  return { words, halfwords: new Uint16Array(buffer), address: 0, byteLength: buffer.byteLength };
}

export interface Identity extends Geometry {
  readonly domainId: number;
  readonly arenaId: number;
}

/** Writes all of it, the magic number last. */
export function writeIdentity(words: Int32Array, geometry: Geometry, domainId: number, arenaId: number): void {
  words[IDENTITY.version] = LAYOUT_VERSION;
  words[IDENTITY.byteLength] = controlBytes(geometry);
  words[IDENTITY.chunkCount] = geometry.chunkCount;
  words[IDENTITY.chunkShift] = geometry.chunkShift;
  words[IDENTITY.blockShift] = geometry.blockShift;
  words[IDENTITY.sessionSlots] = SESSION_SLOTS;
  words[IDENTITY.domainId] = domainId;
  words[IDENTITY.arenaId] = arenaId;
  Atomics.store(words, IDENTITY.magic, MAGIC);
}

/**
 * Makes the file of one pair, whole: under another name first, so that nobody ever maps a half-written one.
 * @param arenaId tells one arena from its successor, so that a ledger is never read against the wrong memory.
 */
export function createControlFile(path: string, geometry: Geometry, domainId: number, arenaId: number): void {
  const buffer = Buffer.alloc(controlBytes(geometry));
  writeIdentity(new Int32Array(buffer.buffer, buffer.byteOffset, 64), geometry, domainId, arenaId);
  fs.writeFileSync(`${path}.new`, buffer, { mode: 0o600 });
  fs.renameSync(`${path}.new`, path);
}

/** Writes the identity anew into a file that is there: all of it is the back end's word. */
export function repairIdentity(path: string, geometry: Geometry, domainId: number, arenaId: number): void {
  const line = Buffer.alloc(LINE_WORDS * WORD_BYTES);
  writeIdentity(new Int32Array(line.buffer, line.byteOffset, LINE_WORDS), geometry, domainId, arenaId);
  const fd = fs.openSync(path, 'r+');
  try {
    fs.writeSync(fd, line, 0, line.byteLength, 0);
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Reads the identity of a file and checks it against itself: the other side's bytes are hostile until then.
 * @throws MemtideError that names the field at fault.
 */
export function readIdentity(words: Int32Array, path: string): Identity {
  const fail = (expected: string, actual: unknown): never => {
    throw new MemtideError({
      operation: 'open the control file',
      object: path,
      expected,
      actual: String(actual),
      remedy: 'stop the agents of this machine and start them again: the back end makes the file anew',
    });
  };
  const magic = Atomics.load(words, IDENTITY.magic);
  if (magic !== MAGIC) fail(`the magic number 0x${MAGIC.toString(16)}`, `0x${(magic >>> 0).toString(16)}`);
  const version = words[IDENTITY.version] as number;
  if (version !== LAYOUT_VERSION) fail(`layout version ${LAYOUT_VERSION}`, `layout version ${version}`);
  const identity: Identity = {
    chunkCount: words[IDENTITY.chunkCount] as number,
    chunkShift: words[IDENTITY.chunkShift] as number,
    blockShift: words[IDENTITY.blockShift] as number,
    domainId: words[IDENTITY.domainId] as number,
    arenaId: words[IDENTITY.arenaId] as number,
  };
  if (identity.chunkCount < 1 || identity.chunkCount > MAX_CHUNKS) {
    fail(`1 to ${MAX_CHUNKS} chunks`, `${identity.chunkCount} chunks`);
  }
  if (identity.chunkShift < 18 || identity.chunkShift > 23) fail('chunks of 2^18 to 2^23 bytes', identity.chunkShift);
  if (identity.blockShift !== BLOCK_SHIFT) fail(`blocks of 2^${BLOCK_SHIFT} bytes`, identity.blockShift);
  const slots = words[IDENTITY.sessionSlots];
  if (slots !== SESSION_SLOTS) fail(`${SESSION_SLOTS} session slots`, slots);
  const length = words[IDENTITY.byteLength] as number;
  if (length !== controlBytes(identity)) fail(`a length of ${controlBytes(identity)} bytes`, length);
  return identity;
}

/** Maps an existing control file and checks it. */
export function openControlFile(path: string): { readonly file: MappedControlFile; readonly identity: Identity } {
  let size: number;
  try {
    size = fs.statSync(path).size;
  } catch (cause) {
    throw new MemtideError({
      operation: 'open the control file',
      object: path,
      expected: 'a file made by the back end',
      remedy: 'start the back end first: memtide agent --role backend',
      cause,
    });
  }
  if (size < CONTROL_PAGE_BYTES || size % CONTROL_PAGE_BYTES !== 0) {
    throw new MemtideError({
      operation: 'open the control file',
      object: path,
      expected: `whole pages of ${CONTROL_PAGE_BYTES} bytes`,
      actual: `${size} bytes`,
      remedy: 'stop the agents of this machine and start them again: the back end makes the file anew',
    });
  }
  const file = new MappedControlFile(mapFile(path, size, 'control file'));
  const identity = readIdentity(file.words, path);
  if (controlBytes(identity) > size) {
    throw new MemtideError({
      operation: 'open the control file',
      object: path,
      expected: `${controlBytes(identity)} bytes`,
      actual: `${size} bytes`,
      remedy: 'stop the agents of this machine and start them again: the back end makes the file anew',
    });
  }
  return { file, identity };
}
