/** Opens the byte stream to a broker. Our own, because MQTT.js' way loads WebSockets and SOCKS and reads the environment. */
import { connect as connectTcp, type Socket } from 'node:net';

export interface BrokerAddress {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** @param url `mqtt://host[:port]` or `mqtts://host[:port]`, as the configuration has checked it. */
export function brokerAddress(url: string): BrokerAddress {
  const { protocol, hostname, port } = new URL(url);
  const secure = protocol === 'mqtts:';
  return {
    secure,
    // An IPv6 address stands in brackets in a URL, and without them everywhere else.
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port === '' ? (secure ? 8883 : 1883) : Number(port),
  };
}

/** Opens a stream each time it is called. */
export type OpenStream = () => Socket;

/** @param certificateAuthority PEM that replaces the system's list, for a broker with a certificate of one's own. */
export async function streamOpener(
  { secure, host, port }: BrokerAddress,
  certificateAuthority?: string,
): Promise<OpenStream> {
  if (!secure) return () => connectTcp({ host, port, noDelay: true });
  const [{ connect: connectTls }, { isIP }] = await Promise.all([import('node:tls'), import('node:net')]);
  return () =>
    connectTls({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...(certificateAuthority === undefined ? {} : { ca: certificateAuthority }),
    });
}
