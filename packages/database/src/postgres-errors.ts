import { DatabaseError, messageOf } from './errors.js';

/** What the driver says, and what the server does while it stops or starts, without a code of the operating system. */
const lost =
  /^(connection terminated|query read timeout|timeout e?x|timeout exceeded|client (was closed|has encountered))/i;

/** Code of an error of the server or the operating system; `CONNECTION` when the driver lost or gave up a connection. */
export function postgresCode(error: unknown): string {
  const { code, message } = (error ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  if (typeof code === 'string') return code;
  // Several addresses were tried, and none of them answered.
  if (error instanceof AggregateError) return postgresCode(error.errors[0]);
  return lost.test(String(message)) ? 'CONNECTION' : '';
}

/** Of the driver and the operating system; then PostgreSQL's own, appendix A of its manual. */
const unreachable =
  /^(CONNECTION|ECONN|ENOTFOUND|EAI_|ETIMEDOUT|EHOST|ENET|EPIPE|ENOENT)|^(08...|57P0.|57014|53300|25006|40P01|40001)$/;
/** Those that pass by themselves, and soon. */
const passing = /^(CONNECTION|ECONN|ETIMEDOUT|EPIPE|ENOENT)|^(08...|57P0.|53300|40P01|40001)$/;

/** Whether trying again soon is worthwhile: the server restarts, or changed nothing because of others. */
export function isPassingFailure(error: unknown): boolean {
  return passing.test(postgresCode(error));
}

/** Host and database of a URL, without user and password. */
export function describePostgres(url: string): string {
  try {
    const { hostname, port, pathname } = new URL(url);
    return `${hostname || 'localhost'}:${port || 5432}${pathname}`;
  } catch {
    return 'the database';
  }
}

/** Puts an error of the driver or the server in our terms. @param place {@link describePostgres} of its URL */
export function translatePostgres(cause: unknown, place: string): DatabaseError {
  if (cause instanceof DatabaseError) return cause;
  const code = postgresCode(cause);
  const said = `${messageOf(cause)}${code ? ` (${code})` : ''}`;
  if (code === '53100') {
    return new DatabaseError('STORE_FULL', `PostgreSQL at ${place} has no space left: ${said}`, {
      hint: 'free space for the database; nothing of what was refused was kept',
      cause,
    });
  }
  if (unreachable.test(code)) {
    return new DatabaseError('STORE_UNAVAILABLE', `PostgreSQL at ${place} cannot be used now: ${said}`, {
      hint: 'check that the server runs, is not read-only and accepts connections; the same store works again then',
      cause,
    });
  }
  const hint = /^(28...|3D000)$/.test(code) ? 'check user, password and database name of the URL' : undefined;
  return new DatabaseError('STORE_FAILED', `PostgreSQL at ${place} failed: ${said}`, { ...(hint && { hint }), cause });
}
