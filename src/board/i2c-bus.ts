/**
 * An I2C bus through the i2c-bus package, asynchronous calls only. A remote I/O error or a time-out is often one missed
 * acknowledge (clock stretching, a long cable), so those are tried again, a bounded number of times.
 */
import fs from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { getSystemErrorName } from 'node:util';
import { errorCode, errorMessage, MemtideError } from '../errors.ts';

/** What sensors need of a bus. */
export interface I2cBus {
  /**
   * A 16-bit register, most significant byte first, as the sensors here send it. (SMBus itself has the least
   * significant byte first.) @throws MemtideError when the bus or the chip does not answer.
   */
  readRegister16(address: number, register: number): Promise<number>;
  /** `length` registers of 8 bits from `register` on. @throws MemtideError, as above. */
  readRegisters8(address: number, register: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** The part of the i2c-bus package's bus that is used. */
export interface RawI2cBus {
  readWord(address: number, register: number): Promise<number>;
  readI2cBlock(address: number, register: number, length: number, buffer: Buffer): Promise<{ bytesRead: number }>;
  close(): Promise<void>;
}

/** Errors that mean "no answer this time": worth another try. */
const PASSING = new Set(['EREMOTEIO', 'ETIMEDOUT']);
const ATTEMPTS = 4;
/** Pause before the second attempt, doubled each time. A stretched clock is released within a few milliseconds. */
const FIRST_PAUSE_MILLIS = 2;

/** Opens `/dev/i2c-<bus>`. @throws MemtideError when the package, the device or the right is missing. */
export async function openI2cBus(bus: number): Promise<I2cBus> {
  const device = `/dev/i2c-${bus}`;
  try {
    const { openPromisified } = await import('i2c-bus');
    // The package opens the device at the first transfer only.
    await fs.access(device, fs.constants.R_OK | fs.constants.W_OK);
    return retryingBus(bus, await openPromisified(bus), (duration) => sleep(duration));
  } catch (error) {
    throw new MemtideError({
      operation: 'open the I2C bus',
      object: device,
      actual: errorMessage(error),
      remedy: openRemedy(errorCode(error)),
      cause: error,
    });
  }
}

/** A bus that tries again. @param pause injected: milliseconds to wait between attempts. */
export function retryingBus(bus: number, raw: RawI2cBus, pause: (millis: number) => Promise<void>): I2cBus {
  async function retrying<T>(address: number, action: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await action();
      } catch (error) {
        const name = systemErrorName(error);
        if (!PASSING.has(name ?? '') || attempt === ATTEMPTS) throw unanswered(bus, address, name, attempt, error);
        await pause(FIRST_PAUSE_MILLIS * 2 ** (attempt - 1));
      }
    }
  }
  return {
    readRegister16: (address, register) =>
      retrying(address, async () => swapBytes(await raw.readWord(address, register))),
    readRegisters8: (address, register, length) =>
      retrying(address, async () => {
        const buffer = Buffer.alloc(length);
        const { bytesRead } = await raw.readI2cBlock(address, register, length, buffer);
        if (bytesRead < length) throw new Error(`${bytesRead} of ${length} bytes came`);
        return buffer;
      }),
    close: () => raw.close(),
  };
}

/** `0x1234` becomes `0x3412`. */
export const swapBytes = (word: number): number => ((word & 0xff) << 8) | ((word >> 8) & 0xff);

/** Node has no name for some of the errors of an I2C adapter and leaves `code` empty; the number is there. */
function systemErrorName(error: unknown): string | undefined {
  const code = errorCode(error);
  if (code) return code;
  const errno = error instanceof Error && 'errno' in error ? Number(error.errno) : 0;
  return errno === 0 ? undefined : getSystemErrorName(-Math.abs(errno));
}

function unanswered(bus: number, address: number, name: string | undefined, attempts: number, cause: unknown) {
  const busy = name === 'EBUSY';
  return new MemtideError({
    operation: 'read an I2C chip',
    object: `0x${address.toString(16).padStart(2, '0')} on /dev/i2c-${bus}`,
    actual: `${name || errorMessage(cause)} after ${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`,
    remedy: busy
      ? 'a kernel driver has the chip: leave it out of board.json and use the driver'
      : 'check wiring, supply and address (i2cdetect -y); a long cable may need a lower i2c_baudrate',
    cause,
  });
}

function openRemedy(code: string | undefined): string {
  switch (code) {
    case 'ERR_MODULE_NOT_FOUND':
      return 'install the optional package i2c-bus; building it takes a C++ compiler, make and python3';
    case 'ENOENT':
      return 'switch the bus on (Raspberry Pi: dtparam=i2c_arm=on) and load the module i2c-dev';
    case 'EACCES':
      return 'add the user to the group i2c, or run as root';
    default:
      return 'see memtide doctor';
  }
}
