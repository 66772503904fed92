/**
 * The way to xenstored: a Unix socket in dom0, a character device in a guest. One `send` is one whole message, because
 * the kernel's device takes exactly one message a write (Linux, drivers/xen/xenbus/xenbus_dev_frontend.c).
 */
export interface ByteStream {
  /** The file it was opened at. */
  readonly path: string;
  /** The largest payload that gets through to xenstored. */
  readonly maxPayloadBytes: number;
  /** Called once, before the first `send`. */
  start(receiver: ByteReceiver): void;
  send(message: Uint8Array): void;
  /** Nothing is received once this was called. Safe to call again. */
  close(): Promise<void>;
}

export interface ByteReceiver {
  /** `chunk` is the receiver's own. */
  data(chunk: Uint8Array): void;
  /**
   * The message just sent was refused and nothing will be answered: the kernel's device does so with the errno of
   * write(2). @param code `EEXIST`
   */
  refused(code: string): void;
  /** Nothing comes after this. @param why in words */
  ended(why: string, cause?: unknown): void;
}
