import type { AuthenticationFailure } from '@waybill/contracts';

interface Former {
  readonly tokenDigest: string;
  readonly failure: AuthenticationFailure;
}

/** Sessions remembered after their end, so that somebody who still uses a token is told (and logged) why it fails. */
const maxRemembered = 1000;

/** A bounded memory of sessions that are over, oldest forgotten first. */
export class FormerSessions {
  readonly #byId = new Map<string, Former>();

  remember(id: string, former: Former): void {
    this.#byId.delete(id);
    this.#byId.set(id, former);
    const oldest = this.#byId.keys().next();
    if (this.#byId.size > maxRemembered && !oldest.done) this.#byId.delete(oldest.value);
  }

  forget(id: string): void {
    this.#byId.delete(id);
  }

  get(id: string): Former | undefined {
    return this.#byId.get(id);
  }
}
