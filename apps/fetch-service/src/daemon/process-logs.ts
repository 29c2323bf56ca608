import type { Logger } from '@waybill/contracts';
import { openLogFile } from '../logs/log-file.js';
import { createSecurityLog, type SecurityLog, silentSecurityLog } from '../logs/security-log.js';
import { createServiceLogger } from '../logs/service-logger.js';
import type { ServeOptions } from './serve-options.js';

/** The logs of one process. Several processes append whole lines to the same files. */
export interface ProcessLogs {
  readonly logger: Logger;
  readonly security: SecurityLog;
  /** Opens the files anew after they were moved away. */
  reopen(): void;
  flush(): void;
}

/** @throws FetchServiceError FETCH_LOG_UNWRITABLE */
export async function openProcessLogs(
  options: Pick<ServeOptions, 'logFile' | 'securityLogFile' | 'verbosity'>,
): Promise<ProcessLogs> {
  const main = await openLogFile(options.logFile);
  const security = options.securityLogFile === undefined ? undefined : await openLogFile(options.securityLogFile);
  const logger = createServiceLogger(main, options.verbosity);
  return {
    logger,
    security: security ? createSecurityLog((line) => security.write(line)) : silentSecurityLog,
    reopen() {
      for (const file of [main, security]) file?.reopen();
      logger.info({}, 'log files opened anew');
    },
    flush() {
      for (const file of [main, security]) file?.flush();
    },
  };
}
