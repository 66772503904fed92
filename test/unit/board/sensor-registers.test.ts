import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  decodeDs3231,
  decodeIna219,
  decodeIna226,
  decodeLm75Celsius,
  decodeTmp102Celsius,
} from '../../../src/board/sensor-registers.ts';

test('INA219: the data sheet’s example, 10 A through 2 mΩ at 11.98 V (SBOS448, configure/measure/calculate)', () => {
  assert.deepEqual(decodeIna219(0x07d0, 0x5d98, 2), { bus_mv: 11_980, current_ma: 10_000 });
});

test('INA219: the ends of both scales; the flags below the bus voltage do not count', () => {
  assert.equal(decodeIna219(0x7d00, 0, 100).current_ma, 3200, '+320 mV');
  assert.equal(decodeIna219(0x8300, 0, 100).current_ma, -3200, '−320 mV');
  assert.equal(decodeIna219(0, (0x1f40 << 3) | 0b11, 100).bus_mv, 32_000);
});

test('INA226: the data sheet’s example, 10 A through 2 mΩ at 11.98 V (SBOS547, configure/measure/calculate)', () => {
  assert.deepEqual(decodeIna226(8000, 0x2570, 2), { bus_mv: 11_980, current_ma: 10_000 });
  assert.equal(decodeIna226(0x10000 - 8000, 0, 2).current_ma, -10_000);
});

test('TMP102: the data sheet’s table of 12-bit temperatures (SBOS397, table 5)', () => {
  const table: [celsius: number, code: number][] = [
    [127.9375, 0x7ff],
    [100, 0x640],
    [80, 0x500],
    [75, 0x4b0],
    [50, 0x320],
    [25, 0x190],
    [0.25, 0x004],
    [0, 0x000],
    [-0.25, 0xffc],
    [-25, 0xe70],
    [-55, 0xc90],
  ];
  for (const [celsius, code] of table) assert.equal(decodeTmp102Celsius(code << 4), celsius, code.toString(16));
});

test('TMP102: the extended mode is known by its lowest bit (SBOS397, table 6)', () => {
  for (const [celsius, code] of [
    [150, 0x0960],
    [128, 0x0800],
    [25, 0x0190],
    [-25, 0x1e70],
    [-55, 0x1c90],
  ] as const) {
    assert.equal(decodeTmp102Celsius((code << 3) | 1), celsius, code.toString(16));
  }
});

test('LM75: the data sheet’s table of 9-bit temperatures (SNIS153); the bits below are ignored', () => {
  for (const [celsius, code] of [
    [125, 0x0fa],
    [25, 0x032],
    [0.5, 0x001],
    [0, 0x000],
    [-0.5, 0x1ff],
    [-25, 0x1ce],
    [-55, 0x192],
  ] as const) {
    assert.equal(decodeLm75Celsius(code << 7), celsius, code.toString(16));
    assert.equal(decodeLm75Celsius((code << 7) | 0x7f), celsius);
  }
});

const coded = (value: number): number => (Math.floor(value / 10) << 4) | (value % 10);
/** The registers of an instant in 24-hour mode. */
function ds3231Registers(date: Date): Uint8Array {
  return Uint8Array.of(
    coded(date.getUTCSeconds()),
    coded(date.getUTCMinutes()),
    coded(date.getUTCHours()),
    date.getUTCDay() + 1,
    coded(date.getUTCDate()),
    coded(date.getUTCMonth() + 1) | (date.getUTCFullYear() >= 2100 ? 0x80 : 0),
    coded(date.getUTCFullYear() % 100),
  );
}

test('DS3231: every second from 2000 to 2199 comes back as it was set', () => {
  const last = Date.UTC(2199, 11, 31, 23, 59, 59) / 1000;
  fc.assert(
    fc.property(fc.integer({ min: Date.UTC(2000) / 1000, max: last }), (seconds) => {
      const unix_ms = seconds * 1000;
      assert.deepEqual(decodeDs3231(ds3231Registers(new Date(unix_ms)), 0), { ok: true, unix_ms });
    }),
  );
});

test('DS3231: midnight and noon in 12-hour mode', () => {
  const at = (hours: number) => {
    const reading = decodeDs3231(Uint8Array.of(0x30, 0x15, hours, 1, 0x29, 0x02, 0x24), 0);
    return reading.ok ? new Date(reading.unix_ms).toISOString() : reading.reason;
  };
  assert.equal(at(0x52), '2024-02-29T00:15:30.000Z', '12 AM');
  assert.equal(at(0x72), '2024-02-29T12:15:30.000Z', '12 PM');
  assert.equal(at(0x61), '2024-02-29T13:15:30.000Z', '1 PM');
});

test('DS3231: a stopped oscillator and impossible dates give a reason, not a time', () => {
  const valid = ds3231Registers(new Date('2025-06-01T00:00:00Z'));
  assert.match(reasonOf(valid, 0x80), /oscillator/);
  const with_ = (index: number, value: number) => valid.with(index, value);
  assert.match(reasonOf(with_(4, 0x31), 0), /hold no time: 00000001310625/);
  assert.match(reasonOf(with_(0, 0x60), 0), /hold no time/);
  assert.match(reasonOf(with_(5, 0x00), 0), /hold no time/);
  assert.match(reasonOf(new Uint8Array(7).fill(0xff), 0x00), /hold no time/);
});

function reasonOf(time: Uint8Array, status: number): string {
  const reading = decodeDs3231(time, status);
  return reading.ok ? `a time: ${reading.unix_ms}` : reading.reason;
}
