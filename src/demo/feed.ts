import mqtt from 'mqtt';
import type { LiveState } from './live-state.ts';

/** Hears everything that the agents publish. @returns what ends the connection. */
export async function listenToBroker(url: string, state: LiveState): Promise<() => Promise<void>> {
  const client = await mqtt.connectAsync(url, { protocolVersion: 4, reconnectPeriod: 500 });
  client.on('message', (topic, content) => state.take(topic, content));
  client.on('error', () => {}); // it tries again; the view shows the last that was heard
  await client.subscribeAsync('memtide/#');
  return () => client.endAsync(true);
}
