import { z } from 'zod';
import { FetchServiceError } from '../errors.js';
import { readInput } from '../files/read-input.js';

/** What lets a client into a session. */
export interface SessionCredentials {
  readonly id: string;
  readonly token: string;
}

/** Where the credentials come from. Never the command line: every user of the machine can read that. */
export interface CredentialSources {
  /** The session's id, or `-`: both from standard input. */
  readonly session: string;
  /** File that holds the token alone. */
  readonly tokenFile: string | undefined;
  /** FETCH_SESSION_TOKEN */
  readonly token: string | undefined;
}

const created = z.object({ id: z.string().min(1), token: z.string().min(1) });
/** What `fetchctl create-session` prints. */
const createdLine = /^session ([^\s:]+):(\S+) created/;

/** @throws FetchServiceError FETCH_OPTION_INVALID */
export async function sessionCredentials(sources: CredentialSources): Promise<SessionCredentials> {
  if (sources.session === '-') return parseCreated(await readInput('-'));
  const token = sources.tokenFile === undefined ? sources.token : (await readInput(sources.tokenFile)).trim();
  if (/[\s:/@]/.test(sources.session)) {
    throw invalid('expected the id of a session', 'the token goes into FETCH_SESSION_TOKEN or --token-file');
  }
  if (!token) {
    throw invalid(
      `the token of session ${sources.session} is missing`,
      'set FETCH_SESSION_TOKEN, name a file with --token-file, or pipe the answer of POST /session to `fetchctl env -`',
    );
  }
  return { id: sources.session, token };
}

/** The answer of `POST /session`, or the line that `create-session` prints. */
export function parseCreated(text: string): SessionCredentials {
  const [, id, token] = createdLine.exec(text) ?? [];
  if (id !== undefined && token !== undefined) return { id, token };
  try {
    return created.parse(JSON.parse(text));
  } catch {
    // The text itself is not shown: it may hold a token.
    throw invalid(
      'standard input holds no session',
      'pipe the answer of POST /session, or what `fetchctl create-session` prints',
    );
  }
}

function invalid(message: string, hint: string): FetchServiceError {
  return new FetchServiceError('FETCH_OPTION_INVALID', message, { hint });
}
