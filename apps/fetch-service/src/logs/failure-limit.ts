import type { Clock } from '@waybill/contracts';

const windowMs = 60_000;
const mostInWindow = 60;
/** Clients that are counted at a time; the one that failed longest ago is forgotten first. */
const mostClients = 1000;

/**
 * Decides which failed attempts of a client are written down: whoever guesses tokens must show in the logs and must not be
 * able to fill the disk with them.
 */
export interface FailureLimit {
  /**
   * @param client address, without a port
   * @returns how many attempts before this one were left out, or undefined when this one is left out as well
   */
  note(client: string): number | undefined;
}

export function createFailureLimit(clock: Clock): FailureLimit {
  const clients = new Map<string, { since: number; count: number; omitted: number }>();
  return {
    note(client) {
      const now = clock.now().getTime();
      const known = clients.get(client) ?? { since: now, count: 0, omitted: 0 };
      clients.delete(client);
      clients.set(client, known);
      const [oldest] = clients.keys();
      if (clients.size > mostClients && oldest !== undefined) clients.delete(oldest);
      if (Math.abs(now - known.since) >= windowMs) Object.assign(known, { since: now, count: 0 });
      known.count += 1;
      if (known.count > mostInWindow) {
        known.omitted += 1;
        return undefined;
      }
      const { omitted } = known;
      known.omitted = 0;
      return omitted;
    },
  };
}
