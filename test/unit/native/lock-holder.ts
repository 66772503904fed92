/** Takes the lock of a byte, says so, and lives until it is killed. Arguments: file, byte. */
import fs from 'node:fs';
import { tryLockByte } from '../../../src/native/ofd-lock.ts';

const [file, byte] = process.argv.slice(2);
const fd = fs.openSync(file!, 'r+');
console.log(tryLockByte(fd, Number(byte)) ? 'locked' : 'refused');
setInterval(() => {}, 1_000_000);
