/** The far end of a program of the suite: does what dom0 asks, one line of JSON after the other. PROGRAM ADDRESS PORT */
import net from 'node:net';
import { createInterface } from 'node:readline';
import type { Calls } from './guests.ts';

/** Where the program was given an address and a port; else it was imported. */
export function answerCalls(calls: Calls): void {
  const [address, port] = process.argv.slice(2);
  if (address === undefined || port === undefined) return;
  const socket = net.connect(Number(port), address).setNoDelay(true);
  createInterface({ input: socket }).on('line', async (line) => {
    const { name, args } = JSON.parse(line) as { name: string; args: never[] };
    let reply: { result?: unknown; error?: string };
    try {
      reply = { result: await calls[name]!(...args) };
    } catch (error) {
      reply = { error: (error as Error).message };
    }
    socket.write(`${JSON.stringify(reply)}\n`);
  });
  socket.once('close', () => process.exit());
}
