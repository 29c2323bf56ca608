import { dirname } from 'node:path';
import { destination } from 'pino';
import { FetchServiceError, messageOf } from '../errors.js';
import { makeDirectory } from '../files/make-directory.js';

/** Where lines go: a file that can be opened anew after it was moved away, or standard error. */
export interface LogFile {
  write(line: string): void;
  /** Opens the path again (log rotation); nothing to do for standard error. */
  reopen(): void;
  /** Writes what is buffered; safe to call at exit. */
  flush(): void;
}

/**
 * @param path file to append to, created with its directory; undefined = standard error
 * @throws FetchServiceError FETCH_LOG_UNWRITABLE
 */
export async function openLogFile(path: string | undefined): Promise<LogFile> {
  if (path === undefined) return { write: (line) => void process.stderr.write(line), reopen() {}, flush() {} };
  try {
    await makeDirectory(dirname(path), 0o755);
    // Synchronous, so that the last line before a crash is there; a line costs some microseconds.
    const file = destination({ dest: path, append: true, sync: true, mode: 0o640 });
    // A full disk must not end the daemon through its log.
    file.on('error', () => {});
    return { write: (line) => void file.write(line), reopen: () => file.reopen(), flush: () => file.flushSync() };
  } catch (cause) {
    throw new FetchServiceError('FETCH_LOG_UNWRITABLE', `the log file ${path} cannot be opened: ${messageOf(cause)}`, {
      hint: 'name a file that the daemon may write, or leave the option out to log to standard error',
      cause,
    });
  }
}
