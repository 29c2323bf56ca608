import {
  type ExchangeLimits,
  type InspectorsConfig,
  type ResolvedLimits,
  resolveLimits,
  type SessionQuotas,
} from '@waybill/contracts';

/** Limits in the proxy's spelling. */
export function exchangeLimits(config: InspectorsConfig): ExchangeLimits {
  const limits = resolveLimits(config.limits);
  return {
    inspectedRequestBytes: limits['inspected-request-bytes'],
    artifactBytes: limits['artifact-bytes'],
    inspectionTimeoutMs: limits['inspection-timeout-ms'],
    earlyHeadersAfterMs: limits['early-headers-after-ms'],
    hold: limits.hold,
    reuse: limits.reuse,
    upstreamConnectTimeoutMs: limits['upstream-connect-timeout-ms'],
    upstreamIdleTimeoutMs: limits['upstream-idle-timeout-ms'],
    upstreamIdleBytes: limits['upstream-idle-bytes'],
    quotas: quotasOf(limits),
  };
}

/** undefined when there are none, so that sessions without cost nothing. */
function quotasOf(limits: ResolvedLimits): SessionQuotas | undefined {
  const quotas: SessionQuotas = {
    connections: limits.connections,
    exchanges: limits.exchanges,
    requestsPerSecond: limits['requests-per-second'],
    bytesPerSecond: limits['bytes-per-second'],
    totalBytes: limits['total-bytes'],
    downloads: limits.downloads,
  };
  return Object.values(quotas).some((most) => most > 0) ? quotas : undefined;
}
