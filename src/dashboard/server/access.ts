/**
 * Who may see the dashboard. On loopback everybody on this machine, as for the embedded broker, but no web page of
 * another site: requests must name a loopback host (or a page could reach in through a name of its own that points here).
 * Bound wider, every request needs the token: once in the address, from then on in a cookie.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

export const TOKEN_COOKIE = 'memtide-token';

/** Whether nobody from outside of this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

export interface AccessRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
}

export type Access =
  | { readonly granted: true; readonly setCookie?: true }
  | { readonly granted: false; readonly status: 401 | 403; readonly reason: string };

/** @param token required of every request; `undefined` where only this machine can reach the server. */
export function decideAccess({ method, url, headers }: AccessRequest, token: string | undefined): Access {
  if (method !== 'GET' && method !== 'HEAD' && !isSameOrigin(headers)) {
    return refused(403, 'only the dashboard’s own page may do this');
  }
  if (token === undefined) {
    const name = hostName(headers.host);
    return name !== undefined && isLoopback(name)
      ? { granted: true }
      : refused(403, 'this dashboard answers to localhost and 127.0.0.1 only');
  }
  const inAddress = url.searchParams.get('token');
  if (inAddress !== null && isSame(inAddress, token)) return { granted: true, setCookie: true };
  const presented = cookieOf(headers.cookie) ?? bearerOf(headers.authorization);
  if (presented !== undefined && isSame(presented, token)) return { granted: true };
  return refused(401, 'open the address that memtide dashboard has printed: it carries the token');
}

const refused = (status: 401 | 403, reason: string): Access => ({ granted: false, status, reason });

/** Browsers say where a request comes from; other programs, which cannot be lured, say nothing. */
function isSameOrigin({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  if (site !== undefined && site !== 'same-origin') return false;
  return origin === undefined || origin === `http://${host}`;
}

/** `[::1]:8080` → `::1`. */
function hostName(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1');
}

function cookieOf(cookies = ''): string | undefined {
  const parts = cookies.split(';').map((part) => part.trim());
  return parts.find((part) => part.startsWith(`${TOKEN_COOKIE}=`))?.slice(TOKEN_COOKIE.length + 1);
}

const bearerOf = (authorization = ''): string | undefined => /^Bearer (\S+)$/.exec(authorization)?.[1];

/** In a time that does not tell how much of it was right. */
function isSame(presented: string, token: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(presented), digest(token));
}
