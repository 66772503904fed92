/** Reads the I2C chips of a board profile. */
import type { I2cBus } from './i2c-bus.ts';
import type { I2cBinding } from './profile.ts';
import {
  decodeDs3231,
  decodeIna219,
  decodeIna226,
  decodeLm75Celsius,
  decodeTmp102Celsius,
  type RtcReading,
  type Supply,
} from './sensor-registers.ts';

export type SensorReading =
  | { readonly quantity: 'supply'; readonly supply: Supply }
  | { readonly quantity: 'temperature'; readonly celsius: number }
  | { readonly quantity: 'time'; readonly time: RtcReading };

/** One reading of one chip. @throws MemtideError when it does not answer. */
export async function readSensor(bus: I2cBus, binding: I2cBinding): Promise<SensorReading> {
  const address = Number(binding.address);
  const word = (register: number) => bus.readRegister16(address, register);
  switch (binding.kind) {
    case 'ina219':
      return { quantity: 'supply', supply: decodeIna219(await word(0x01), await word(0x02), binding.shunt_milliohm) };
    case 'ina226':
      return { quantity: 'supply', supply: decodeIna226(await word(0x01), await word(0x02), binding.shunt_milliohm) };
    case 'tmp102':
      return { quantity: 'temperature', celsius: decodeTmp102Celsius(await word(0x00)) };
    case 'lm75':
      return { quantity: 'temperature', celsius: decodeLm75Celsius(await word(0x00)) };
    case 'ds3231': {
      const [status] = await bus.readRegisters8(address, 0x0f, 1);
      return { quantity: 'time', time: decodeDs3231(await bus.readRegisters8(address, 0x00, 7), status!) };
    }
  }
}
