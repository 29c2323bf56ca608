import { setTimeout as sleep } from 'node:timers/promises';
import type { Chance } from './chance.js';
import type { KnownSession, Sessions } from './sessions.js';

const most = 12;

/**
 * Sessions that come and go, so that kills hit every step of a session's life. Runs until `isOver`.
 * @param own filled with those that it makes
 */
export async function churn(
  sessions: Sessions,
  chance: Chance,
  { own, isOver }: { readonly own: KnownSession[]; readonly isOver: () => boolean },
): Promise<void> {
  while (!isOver()) {
    if (own.length < 3 || (own.length < most && chance.happens(0.2))) {
      const made = await sessions.create(chance.of(['strict', 'permissive']), chance.happens(0.1) ? 1 : 0);
      if (made) own.push(made);
    } else {
      const session = chance.of(own);
      // Clients go on with some that are over: that they get nothing is part of it.
      if (chance.happens(0.5)) session.isOffered = false;
      const action = chance.weighted({ revoke: 4, report: 2, end: 3, delete: 2 });
      if (action === 'report') await sessions.report(session);
      else await sessions.call(session, action);
    }
    await sleep(chance.between(1, 60));
  }
}
