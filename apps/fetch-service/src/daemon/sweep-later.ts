import type { Logger } from '@waybill/contracts';
import { messageOf } from '../errors.js';
import type { BodyReaper } from '../sessions/body-reaper.js';

/** Removes bodies that a crash left without a record; nobody waits for it. */
export function sweepLater(reaper: Pick<BodyReaper, 'sweep'>, logger: Logger): void {
  reaper.sweep().then(
    (bodies) => bodies > 0 && logger.info({ bodies }, 'bodies that nobody refers to were removed'),
    (cause: unknown) => logger.warn({ error: messageOf(cause) }, 'bodies that nobody refers to could not be removed'),
  );
}
