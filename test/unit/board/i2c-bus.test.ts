import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openI2cBus, type RawI2cBus, retryingBus, swapBytes } from '../../../src/board/i2c-bus.ts';
import { readSensor } from '../../../src/board/sensors.ts';
import { MemtideError } from '../../../src/errors.ts';

/** What the addon throws: for some errors Node has no name, only the number. */
const failure = (errno: number, code = '') => Object.assign(new Error(`errno ${errno}`), { errno, code });
const EREMOTEIO = 121;
const ETIMEDOUT = 110;
const ENXIO = 6;

/** A bus whose registers are a map, and which fails as often as it is told to. */
class RegisterBus implements RawI2cBus {
  readonly #registers: ReadonlyMap<number, number>;
  readonly failures: Error[];
  attempts = 0;
  closed = false;

  constructor(registers: ReadonlyArray<readonly [number, number]>, failures: Error[] = []) {
    this.#registers = new Map(registers);
    this.failures = failures;
  }

  #next(): void {
    this.attempts++;
    const error = this.failures.shift();
    if (error) throw error;
  }

  /** As SMBus has it: the byte that the chip sends first is the low one. */
  async readWord(_address: number, register: number): Promise<number> {
    this.#next();
    return swapBytes(this.#registers.get(register) ?? 0);
  }

  async readI2cBlock(
    _address: number,
    register: number,
    length: number,
    buffer: Buffer,
  ): Promise<{ bytesRead: number }> {
    this.#next();
    for (let index = 0; index < length; index++) buffer[index] = this.#registers.get(register + index) ?? 0;
    return { bytesRead: length };
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}

test('a passing error is tried again, with pauses that double', async () => {
  const raw = new RegisterBus([[1, 0x07d0]], [failure(EREMOTEIO), failure(ETIMEDOUT, 'ETIMEDOUT')]);
  const pauses: number[] = [];
  const bus = retryingBus(1, raw, async (millis) => void pauses.push(millis));
  assert.equal(await bus.readRegister16(0x40, 1), 0x07d0);
  assert.deepEqual(pauses, [2, 4]);
});

test('tries are bounded, and the error says how many there were', async () => {
  const raw = new RegisterBus(
    [],
    Array.from({ length: 9 }, () => failure(EREMOTEIO)),
  );
  const bus = retryingBus(7, raw, async () => {});
  await assert.rejects(bus.readRegister16(0x48, 0), (error: unknown) => {
    assert.ok(error instanceof MemtideError);
    assert.equal(error.detail.object, '0x48 on /dev/i2c-7');
    assert.equal(error.detail.actual, 'EREMOTEIO after 4 attempts');
    return true;
  });
  assert.equal(raw.attempts, 4);
});

test('a chip that is not there is not asked twice', async () => {
  const raw = new RegisterBus([], [failure(ENXIO, 'ENXIO')]);
  await assert.rejects(retryingBus(1, raw, async () => {}).readRegisters8(0x68, 0, 7), /ENXIO after 1 attempt\n/);
  assert.equal(raw.attempts, 1);
});

test('a bus that does not exist is an error with the way to switch it on', async (t) => {
  const installed = await import('i2c-bus').then(
    () => true,
    () => false,
  );
  if (!installed) return t.skip('the optional package i2c-bus is not installed');
  await assert.rejects(openI2cBus(250), /\/dev\/i2c-250[\s\S]*i2c-dev/);
});

test('each kind of sensor is read from its registers', async () => {
  const bus = (registers: ReadonlyArray<readonly [number, number]>) =>
    retryingBus(1, new RegisterBus(registers), async () => {});
  const at = { name: 'chip', bus: 1, address: '0x40' };
  assert.deepEqual(
    await readSensor(
      bus([
        [1, 0x07d0],
        [2, 0x5d98],
      ]),
      { kind: 'ina219', shunt_milliohm: 2, ...at },
    ),
    { quantity: 'supply', supply: { bus_mv: 11_980, current_ma: 10_000 } },
  );
  assert.deepEqual(
    await readSensor(
      bus([
        [1, 8000],
        [2, 0x2570],
      ]),
      { kind: 'ina226', shunt_milliohm: 2, ...at },
    ),
    { quantity: 'supply', supply: { bus_mv: 11_980, current_ma: 10_000 } },
  );
  assert.deepEqual(await readSensor(bus([[0, 0x1900]]), { kind: 'tmp102', ...at }), {
    quantity: 'temperature',
    celsius: 25,
  });
  assert.deepEqual(await readSensor(bus([[0, 0xe700]]), { kind: 'lm75', ...at }), {
    quantity: 'temperature',
    celsius: -25,
  });
  const clock = [0x56, 0x34, 0x12, 0x02, 0x09, 0x11, 0x25].map((value, register) => [register, value] as const);
  assert.deepEqual(await readSensor(bus([...clock, [0x0f, 0x08]]), { kind: 'ds3231', ...at }), {
    quantity: 'time',
    time: { ok: true, unix_ms: Date.UTC(2025, 10, 9, 12, 34, 56) },
  });
});
