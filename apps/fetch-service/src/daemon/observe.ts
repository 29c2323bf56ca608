import { type Clock, type ExchangeRecord, type Logger, systemClock } from '@waybill/contracts';
import type { ProxyObserver } from '@waybill/proxy';
import { createFailureLimit } from '../logs/failure-limit.js';
import { type SecurityLog, withoutPort } from '../logs/security-log.js';
import type { ServiceMetrics } from '../metrics/service-metrics.js';

/** Tells all of them; the proxy keeps what one throws from doing harm. */
export function observeAll(observers: readonly ProxyObserver[]): ProxyObserver {
  return {
    exchangeFinished(event) {
      for (const observer of observers) observer.exchangeFinished?.(event);
    },
    authenticationFailed(event) {
      for (const observer of observers) observer.authenticationFailed?.(event);
    },
  };
}

/** What the proxy tells of, in the logs. Its texts are redacted already. */
export function observeProxy(logger: Logger, security: SecurityLog, clock: Clock = systemClock): ProxyObserver {
  const failures = createFailureLimit(clock);
  return {
    exchangeFinished(event) {
      const { sessionId: session, method, url, status, durationMs, clientBytes, result, delivery, refusal } = event;
      const fields = { session, method, url, status, ms: Math.round(durationMs), bytes: clientBytes, result, delivery };
      if (!refusal) return logger.debug(fields, 'exchange');
      const { kind, phase, reason, delivered } = refusal;
      logger.info({ ...fields, phase, reason, delivered }, kind === 'failure' ? 'exchange failed' : 'exchange refused');
    },
    authenticationFailed({ address, reason, sessionId }) {
      const fields = { client: address, reason, session: sessionId };
      // Many clients ask without credentials first, to be told that they are wanted.
      if (reason === 'missing') return logger.debug(fields, 'proxy credentials asked for');
      const omitted = failures.note(withoutPort(address));
      if (omitted !== undefined)
        logger.info(omitted > 0 ? { ...fields, omittedBefore: omitted } : fields, 'proxy credentials refused');
      security.event('WARN', `authn_login_fail:${sessionId ?? ''}`, 'proxy credentials were refused', {
        client_ip: address,
        reason,
        token_type: 'FETCH_SERVICE_SESSION',
      });
    },
  };
}

/** Counts durable records. */
export function countRecords(metrics: ServiceMetrics, records: readonly ExchangeRecord[]): void {
  for (const record of records) {
    if (record.kind === 'download') {
      metrics.recorded('download', record.result);
      metrics.bytes(record.result, record.metadata.size);
    } else metrics.recorded(record.kind, record.kind === 'response' ? (record.result ?? 'none') : 'none');
  }
}
