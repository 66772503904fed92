/** Reads what a page asks to be marked. It comes over HTTP: its size and form are checked first. */
import type { IncomingMessage } from 'node:http';
import { z } from 'zod';

const MOST_BYTES = 4096;
const markRequest = z.strictObject({
  source: z.enum(['keyboard', 'touch']),
  label: z.string().min(1).max(256).optional(),
});

export type MarkRequest =
  | { readonly ok: true; readonly source: 'keyboard' | 'touch'; readonly label: string | undefined }
  | { readonly ok: false; readonly reason: string };

export async function readMark(request: IncomingMessage): Promise<MarkRequest> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) {
    text += chunk;
    if (text.length > MOST_BYTES) return { ok: false, reason: `more than ${MOST_BYTES} bytes` };
  }
  try {
    const { source, label } = markRequest.parse(JSON.parse(text));
    return { ok: true, source, label };
  } catch {
    return { ok: false, reason: 'expected {"source": "keyboard" or "touch", "label": 1 to 256 characters, or absent}' };
  }
}
