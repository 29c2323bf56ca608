import { boundPaths, locateSockets } from './host-sockets.js';

const intervalMs = 500;

/** A look at new sockets while something runs. */
export interface SocketWatch {
  /** Aborted when one is found. */
  readonly signal: AbortSignal;
  /** Looks once more and ends the watch. @returns what was found */
  stop(): readonly string[];
}

/**
 * Looks for sockets that programs of this machine open while a sandbox runs. Those that were there before it are hidden; a new
 * one in a directory that the sandbox shows can be connected to, read-only or not.
 *
 * @param isVisible which of the places the sandbox shows
 */
export function watchSockets(isVisible: (paths: readonly string[]) => readonly string[], table?: string): SocketWatch {
  const before = new Set(boundPaths(table));
  const controller = new AbortController();
  let found: readonly string[] = [];
  const look = () => {
    if (found.length > 0) return;
    found = isVisible(locateSockets(boundPaths(table).filter((path) => !before.has(path))));
    if (found.length > 0) controller.abort();
  };
  const timer = setInterval(look, intervalMs);
  return {
    signal: controller.signal,
    stop() {
      clearInterval(timer);
      look();
      return found;
    },
  };
}
