/** The control files of one machine. Those between domains: test/xen/control-file.test.ts. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe } from 'node:test';
import { controlFileInMemory, createControlFile, openControlFile } from '../../src/control/control-file.ts';
import { controlFileContract, DOMAIN_ID } from './control-file-contract.ts';

const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'memtide-contract-'));
after(() => fs.rmSync(dir, { recursive: true, force: true }));

describe('control file: mapped file', () => {
  controlFileContract((geometry) => {
    const file = path.join(dir, `control-${geometry.chunkCount}`);
    createControlFile(file, geometry, DOMAIN_ID, 0);
    return openControlFile(file).file;
  });
});

describe('control file: memory of one process', () => {
  controlFileContract((geometry) => controlFileInMemory(geometry, DOMAIN_ID));
});
