import { errorCode, errorMessage } from '../errors.ts';

/** Why nobody could be reached over a Unix socket, in words for whoever has to mend it. */
export function whyUnreachable(cause: unknown): string {
  switch (errorCode(cause)) {
    case 'ENOENT':
      return 'no such socket: nothing was started there, or it has ended';
    case 'ECONNREFUSED':
      return 'a socket that nobody answers: what was started there has ended';
    case 'EACCES':
      return 'a socket of another user';
    default:
      return errorMessage(cause);
  }
}
