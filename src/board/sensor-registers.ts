/**
 * What the registers of the sensors mean. Pure; each function says which page of which data sheet it follows, and its
 * tests use that data sheet's own examples.
 */

/** A 16-bit two's complement number. */
const signed16 = (word: number): number => (word << 16) >> 16;

export interface Supply {
  readonly bus_mv: number;
  /** Negative where current flows backwards. */
  readonly current_ma: number;
}

/** Volts over ohms, from microvolts and milliohms: milliamperes. */
const milliamperes = (shuntMicrovolts: number, shuntMilliohm: number): number => shuntMicrovolts / shuntMilliohm;

/**
 * INA219 (TI SBOS448G). Shunt voltage, register 01h: two's complement, 10 µV a step, at the power-on gain (±320 mV).
 * Bus voltage, register 02h: bits 15 to 3, 4 mV a step. The current is worked out here from the shunt, so the
 * calibration register is not needed.
 */
export function decodeIna219(shunt: number, bus: number, shuntMilliohm: number): Supply {
  return { bus_mv: (bus >> 3) * 4, current_ma: milliamperes(signed16(shunt) * 10, shuntMilliohm) };
}

/** INA226 (TI SBOS547A). Shunt voltage, register 01h: two's complement, 2.5 µV. Bus voltage, register 02h: 1.25 mV. */
export function decodeIna226(shunt: number, bus: number, shuntMilliohm: number): Supply {
  return { bus_mv: (bus & 0x7fff) * 1.25, current_ma: milliamperes(signed16(shunt) * 2.5, shuntMilliohm) };
}

/**
 * TMP102 (TI SBOS397), register 00h: two's complement in 12 bits from bit 15 down, 0.0625 °C a step. Bit 0 is 1 in the
 * extended mode, which has 13 bits.
 */
export function decodeTmp102Celsius(temperature: number): number {
  return (signed16(temperature) >> ((temperature & 1) === 1 ? 3 : 4)) * 0.0625;
}

/** LM75 (TI SNIS153), register 00h: two's complement in 9 bits from bit 15 down, 0.5 °C a step; the rest is undefined. */
export function decodeLm75Celsius(temperature: number): number {
  return (signed16(temperature) >> 7) * 0.5;
}

export type RtcReading =
  | { readonly ok: true; readonly unix_ms: number }
  /** The clock has no valid time. */
  | { readonly ok: false; readonly reason: string };

const OSCILLATOR_STOPPED = 0x80;

/**
 * DS3231 (Maxim 19-5170), registers 00h to 06h in binary-coded decimal: seconds, minutes, hours, day of the week, day,
 * month (bit 7: century), year. Hours have bit 6 for 12-hour mode and then bit 5 for the afternoon. Read as UTC, as
 * Linux keeps it. The status register 0Fh has bit 7 set when the oscillator has stopped since the time was set.
 */
export function decodeDs3231(time: Uint8Array, status: number): RtcReading {
  if (time.length !== 7) throw new RangeError(`7 registers of time, not ${time.length}`);
  if ((status & OSCILLATOR_STOPPED) !== 0) {
    return { ok: false, reason: 'its oscillator had stopped: the battery is empty, or the time was never set' };
  }
  const register = (index: number): number => time[index]!;
  const century = (register(5) & 0x80) === 0 ? 2000 : 2100;
  const year = century + decimal(register(6));
  const month = decimal(register(5) & 0x1f);
  const day = decimal(register(4) & 0x3f);
  const hour = hour24(register(2));
  const minute = decimal(register(1) & 0x7f);
  const second = decimal(register(0) & 0x7f);
  const unix_ms = Date.UTC(year, month - 1, day, hour, minute, second);
  // A field out of its range is carried into the next one, so the date comes back as another.
  const two = (field: number) => String(field).padStart(2, '0');
  const written = `${year}-${two(month)}-${two(day)}T${two(hour)}:${two(minute)}:${two(second)}.000Z`;
  if (Number.isNaN(unix_ms) || new Date(unix_ms).toISOString() !== written) {
    return { ok: false, reason: `its registers hold no time: ${Buffer.from(time).toString('hex')}` };
  }
  return { ok: true, unix_ms };
}

const decimal = (coded: number): number => (coded >> 4) * 10 + (coded & 0x0f);

function hour24(hours: number): number {
  if ((hours & 0x40) === 0) return decimal(hours & 0x3f);
  return (decimal(hours & 0x1f) % 12) + ((hours & 0x20) === 0 ? 0 : 12);
}
