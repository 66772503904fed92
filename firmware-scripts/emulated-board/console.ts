/** The console of dom0 in this terminal. */
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { runFolders } from './run-folders.ts';

/** Ctrl-], as telnet has it. */
const LEAVE = 0x1d;

/** @param runs folder with a folder a run. @returns the exit code. */
export async function attachConsole(runs: string): Promise<number> {
  const socket = runFolders(runs)
    .map((folder) => path.join(folder, 'console.sock'))
    .findLast((file) => fs.existsSync(file));
  if (socket === undefined) return nobody();
  const connection = net.connect(socket);
  try {
    await once(connection, 'connect');
  } catch {
    return nobody();
  }
  const { stdin, stdout } = process;
  stdout.write('Console of dom0; Ctrl-] leaves.\n');
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on('data', (keys: Buffer) => {
    if (keys.includes(LEAVE)) connection.end();
    else connection.write(keys);
  });
  stdin.on('end', () => connection.end());
  connection.pipe(stdout, { end: false });
  connection.write('\n'); // a prompt
  await once(connection, 'close');
  if (stdin.isTTY) stdin.setRawMode(false);
  return 0;
}

function nobody(): number {
  process.stderr.write('No board runs: npm run board:emulated starts one.\n');
  return 1;
}
