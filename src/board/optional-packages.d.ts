/**
 * The optional package onoff brings its own types, but where it could not be built it is not there at all, and the
 * compiler must not mind. (The types of i2c-bus come from a package of their own.)
 */
declare module 'onoff' {
  export const Gpio: import('./gpio-sysfs.ts').Onoff['Gpio'];
}
