import { isWaybillError, redactText } from '@waybill/contracts';
import { ProxyError, type ProxyErrorCode } from '../errors.js';
import { formatAuthority } from '../http/authority.js';
import type { Target } from './target.js';

/**
 * Says what went wrong between us and an upstream in words that a person can act on, with one of our codes. Errors of our own
 * pass unchanged.
 */
export function explainUpstreamFailure(error: unknown, target: Target): ProxyError {
  if (error instanceof ProxyError) return error;
  const cause = innermost(error);
  const code = codeOf(cause);
  const where = formatAuthority(target.authority);
  const known =
    certificateFault(code, cause, target) ?? connectionFault(code, where) ?? answerFault(code, cause, where);
  const [ours, message, hint] = known ?? (['PROXY_UPSTREAM_PROTOCOL', `${where}: ${brief(cause)}`] as const);
  return new ProxyError(ours, message, { cause: error, ...(hint && { hint }) });
}

type Explanation = readonly [code: ProxyErrorCode, message: string, hint?: string];

const certificateFaults: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  CERT_UNTRUSTED: 'its issuer is not trusted',
  CERT_REJECTED: 'its issuer is not trusted',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is signed by itself',
  SELF_SIGNED_CERT_IN_CHAIN: 'its root is not trusted',
  UNABLE_TO_GET_ISSUER_CERT: 'its issuer is unknown',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its issuer is unknown',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its issuer is unknown (perhaps the server sends no intermediate certificate)',
  INVALID_CA: 'its issuer is no certificate authority',
  INVALID_PURPOSE: 'it is not for servers',
  PATH_LENGTH_EXCEEDED: 'its chain is too long',
};

function certificateFault(code: string, cause: Error, target: Target): Explanation | undefined {
  const where = formatAuthority(target.authority);
  const hint = 'when the server is right, add its root certificate to the roots of the machine that runs the proxy';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return ['PROXY_UPSTREAM_CERTIFICATE', `the certificate of ${where} is for another name: ${brief(cause)}`];
  }
  const fault = certificateFaults[code] ?? (code === 'UNSPECIFIED' ? brief(cause) : undefined);
  return fault === undefined
    ? undefined
    : ['PROXY_UPSTREAM_CERTIFICATE', `the certificate of ${where} is not accepted: ${fault} (${code})`, hint];
}

function connectionFault(code: string, where: string): Explanation | undefined {
  switch (code) {
    case 'ECONNREFUSED':
      return [
        'PROXY_UPSTREAM_UNREACHABLE',
        `${where} refused the connection`,
        'is the server running, and the port right?',
      ];
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'EADDRNOTAVAIL':
    case 'ENETDOWN':
    case 'EACCES':
    case 'EPERM':
      return ['PROXY_UPSTREAM_UNREACHABLE', `${where} cannot be reached from here (${code})`];
    case 'UND_ERR_CONNECT_TIMEOUT':
    case 'ETIMEDOUT':
      return timeout(`${where} did not accept the connection in time`, 'upstream-connect-timeout-ms');
    case 'UND_ERR_HEADERS_TIMEOUT':
      return timeout(`${where} did not answer in time`, 'upstream-idle-timeout-ms');
    case 'UND_ERR_BODY_TIMEOUT':
      return timeout(`${where} stopped sending in the middle of the body`, 'upstream-idle-timeout-ms');
    case 'EWAYBILL_SLOW':
      return timeout(`${where} sends too slowly to ever come to an end`, 'upstream-idle-bytes');
    default:
      return undefined;
  }
}

function timeout(what: string, key: string): Explanation {
  const hint = `if the server is that slow, change limits.${key} in inspectors.yaml`;
  return ['PROXY_UPSTREAM_TIMEOUT', `${what} (limits.${key})`, hint];
}

function answerFault(code: string, cause: Error, where: string): Explanation | undefined {
  if (code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return ['PROXY_UPSTREAM_TLS', `no TLS with ${where}: ${brief(cause)}`, 'does the port speak https?'];
  }
  const isParser = cause.name === 'HTTPParserError';
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' || (isParser && cause.message.includes('Invalid EOF state'))) {
    return [
      'PROXY_UPSTREAM_TRUNCATED',
      `${where} ended the body before its end, or contradicts itself about its length`,
    ];
  }
  if (code === 'EWAYBILL_RESET' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'UND_ERR_SOCKET') {
    return ['PROXY_UPSTREAM_TRUNCATED', `${where} closed the connection before its answer was complete`];
  }
  if (code === 'UND_ERR_HEADERS_OVERFLOW') {
    return ['PROXY_UPSTREAM_PROTOCOL', `${where} sent more header fields than fit`];
  }
  if (isParser) {
    return ['PROXY_UPSTREAM_PROTOCOL', `${where} did not answer in HTTP/1.1: ${brief(cause)}`];
  }
  return undefined;
}

/** Happy eyeballs fail with one error per address; the first says enough. */
function innermost(error: unknown): Error {
  if (error instanceof AggregateError && error.errors[0] instanceof Error) return error.errors[0];
  return error instanceof Error ? error : new Error(String(error));
}

function codeOf(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  return typeof code === 'string' && !isWaybillError(error) ? code : '';
}

function brief(error: Error): string {
  return redactText(error.message).replace(/\s+/g, ' ').slice(0, 300);
}
