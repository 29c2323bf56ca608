import { expect, it } from 'vitest';
import { explainHandshakeFailure } from './tunnel-tls.js';

const fault = (code: string) => Object.assign(new Error('write EPROTO 00:error'), { code });

it.each([
  [
    'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA',
    /broke the TLS handshake off \(ERR_SSL_TLSV1_ALERT_UNKNOWN_CA\)/,
    /trust the root/,
  ],
  ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', /broke the TLS handshake off/, /trust the root/],
  ['ERR_SSL_HTTP_REQUEST', /something else than TLS/, /absolute form/],
  ['ERR_SSL_WRONG_VERSION_NUMBER', /something else than TLS/, /absolute form/],
  [
    'ERR_SSL_UNSUPPORTED_PROTOCOL',
    /the TLS handshake with the client failed \(ERR_SSL_UNSUPPORTED_PROTOCOL\)/,
    undefined,
  ],
])('%s', (code, reason, hint) => {
  const found = explainHandshakeFailure(fault(code));
  expect(found).toMatchObject({ kind: 'failed', reason: expect.stringMatching(reason) });
  if (hint) expect(found).toMatchObject({ hint: expect.stringMatching(hint) });
});

it.each(['ECONNRESET', 'EPIPE'])('%s is no failure: the client left', (code) => {
  expect(explainHandshakeFailure(fault(code))).toEqual({ kind: 'left' });
});
