import { createHash, timingSafeEqual } from 'node:crypto';
import { FetchServiceError } from '../errors.js';

/** Name of the environment variable that holds the control API's credentials, `user:password`. */
export const credentialsVariable = 'FETCH_SERVICE_AUTH';

/** Who may use the control API. */
export interface ControlCredentials {
  readonly user: string;
  /** `user:password` as it was given; for the runtime file only. */
  readonly text: string;
  /** The user's name when the header's credentials are right. Constant time in the password. */
  accepts(authorization: string | undefined): boolean;
}

/**
 * Parses `user:password`, split at the first colon.
 * @throws FetchServiceError FETCH_CREDENTIALS_MISSING
 */
export function parseCredentials(text: string | undefined): ControlCredentials {
  const colon = text?.indexOf(':') ?? -1;
  if (!text || colon < 1 || colon === text.length - 1) {
    const found = text ? 'has no user and password separated by a colon' : 'is not set';
    throw new FetchServiceError(
      'FETCH_CREDENTIALS_MISSING',
      `the environment variable ${credentialsVariable} ${found}`,
      {
        hint: `set ${credentialsVariable}=user:password for the control API, or use --no-control-auth with --control-host=127.0.0.1`,
      },
    );
  }
  const expected = digest(Buffer.from(text, 'utf8'));
  return {
    user: text.slice(0, colon),
    text,
    accepts(authorization) {
      const given = basicCredentials(authorization);
      // Compared even when there is nothing to compare: the time says nothing about why.
      return timingSafeEqual(digest(given ?? Buffer.alloc(0)), expected) && given !== undefined;
    },
  };
}

/** User that a header claims to be; for the security log. */
export function claimedUser(authorization: string | undefined): string {
  const text = basicCredentials(authorization)?.toString('utf8') ?? '';
  return text.split(':', 1)[0]?.slice(0, 100) ?? '';
}

function basicCredentials(authorization: string | undefined): Buffer | undefined {
  const match = /^basic +([A-Za-z0-9+/=_-]*)$/i.exec(authorization?.trimEnd() ?? '');
  return match ? Buffer.from(match[1] ?? '', 'base64') : undefined;
}

function digest(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
