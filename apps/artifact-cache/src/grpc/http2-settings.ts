import type { ServerHttp2Session } from 'node:http2';

const streamWindow = 4 * 1024 ** 2;
const sessionWindow = 32 * 1024 ** 2;

/**
 * Settings of HTTP/2 listeners. Node's window of 64 KiB holds an upload to 64 KiB per round trip, about 1 MB/s at 64 ms; clients
 * with many requests under way need more streams than 100.
 */
export const http2ServerOptions = {
  settings: { initialWindowSize: streamWindow, maxConcurrentStreams: 2000 },
  /** Megabytes of one session, buffers of all its streams together. */
  maxSessionMemory: 128,
} as const;

/** Opens the window of a whole connection; for the `session` event. */
export function widenSession(session: ServerHttp2Session): void {
  if (!session.destroyed) session.setLocalWindowSize(sessionWindow);
}
