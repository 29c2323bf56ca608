import { describe, expect, it } from 'vitest';
import { ProxyError } from '../errors.js';
import { explainUpstreamFailure } from './upstream-failure.js';

const target = { protocol: 'https:', authority: { host: 'a.example', port: 443 } } as const;
const fault = (code: string, message = 'it went wrong') => Object.assign(new Error(message), { code });

describe('explainUpstreamFailure', () => {
  it.each([
    ['ECONNREFUSED', 'PROXY_UPSTREAM_UNREACHABLE', 'refused the connection'],
    ['EHOSTUNREACH', 'PROXY_UPSTREAM_UNREACHABLE', 'cannot be reached'],
    ['ENETUNREACH', 'PROXY_UPSTREAM_UNREACHABLE', 'cannot be reached'],
    ['ETIMEDOUT', 'PROXY_UPSTREAM_TIMEOUT', 'did not accept'],
    ['UND_ERR_CONNECT_TIMEOUT', 'PROXY_UPSTREAM_TIMEOUT', 'did not accept'],
    ['UND_ERR_HEADERS_TIMEOUT', 'PROXY_UPSTREAM_TIMEOUT', 'did not answer'],
    ['UND_ERR_BODY_TIMEOUT', 'PROXY_UPSTREAM_TIMEOUT', 'in the middle'],
    ['CERT_HAS_EXPIRED', 'PROXY_UPSTREAM_CERTIFICATE', 'has expired'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'PROXY_UPSTREAM_CERTIFICATE', 'signed by itself'],
    ['ERR_TLS_CERT_ALTNAME_INVALID', 'PROXY_UPSTREAM_CERTIFICATE', 'another name'],
    ['EPROTO', 'PROXY_UPSTREAM_TLS', 'no TLS with'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'PROXY_UPSTREAM_TLS', 'no TLS with'],
    ['EWAYBILL_RESET', 'PROXY_UPSTREAM_TRUNCATED', 'closed the connection'],
    ['UND_ERR_SOCKET', 'PROXY_UPSTREAM_TRUNCATED', 'closed the connection'],
    ['UND_ERR_HEADERS_OVERFLOW', 'PROXY_UPSTREAM_PROTOCOL', 'more header fields'],
    ['UNSPECIFIED', 'PROXY_UPSTREAM_CERTIFICATE', 'is not accepted: it went wrong'],
    ['SOMETHING_NEW', 'PROXY_UPSTREAM_PROTOCOL', 'it went wrong'],
  ])('%s: %s', (code, expected, text) => {
    const found = explainUpstreamFailure(fault(code), target);
    expect(found.code).toBe(expected);
    expect(found.message).toContain(text);
    expect(found.message).toContain('a.example:443');
  });

  it('looks at the first of several attempts', () => {
    const all = new AggregateError([fault('ECONNREFUSED'), fault('ETIMEDOUT')], 'all failed');
    expect(explainUpstreamFailure(all, target).code).toBe('PROXY_UPSTREAM_UNREACHABLE');
  });

  it('passes our own errors on', () => {
    const own = new ProxyError('PROXY_EGRESS_REFUSED', 'no');
    expect(explainUpstreamFailure(own, target)).toBe(own);
  });

  it('repeats no secrets and no control characters of a server', () => {
    const nasty = new Error(`http://user:hidden@x \u001b[31m Bearer abcdefghijkl ${'x'.repeat(1000)}`);
    const { message } = explainUpstreamFailure(nasty, target);
    expect(message).not.toMatch(/hidden|abcdefghijkl/);
    expect(message).not.toContain('\u001b');
    expect(message.length).toBeLessThan(400);
  });
});
