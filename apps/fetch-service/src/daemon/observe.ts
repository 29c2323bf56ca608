import type { ExchangeRecord, Logger } from '@waybill/contracts';
import type { ProxyObserver, ProxyServer } from '@waybill/proxy';
import type { SecurityLog } from '../logs/security-log.js';
import type { ServiceMetrics } from '../metrics.js';

/** What the proxy tells of, in the logs. Its texts are redacted already. */
export function observeProxy(logger: Logger, security: SecurityLog): ProxyObserver {
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
      logger.info(fields, 'proxy credentials refused');
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

/** Numbers of the moment that are read when somebody asks. */
export function addGauges(
  metrics: ServiceMetrics,
  proxy: Pick<ProxyServer, 'stats'>,
  liveSessions: () => number,
): void {
  metrics.gauge('waybill_sessions_live', 'Sessions that are open or revoked', liveSessions);
  metrics.gauge('waybill_proxy_connections', 'Client connections of the proxy', () => proxy.stats().connections);
  metrics.gauge('waybill_proxy_exchanges', 'Exchanges under way', () => proxy.stats().exchanges);
  metrics.gauge('waybill_proxy_records_waiting', 'Records that wait to become durable', () => proxy.stats().recording);
  metrics.gauge('waybill_upstream_connections', 'Connections to upstreams', () => proxy.stats().upstream.connections);
}
