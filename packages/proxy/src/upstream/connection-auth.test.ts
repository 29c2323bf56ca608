import { expect, it } from 'vitest';
import { authenticatesConnection } from './connection-auth.js';

it.each([
  [[], false],
  [['Accept', '*/*'], false],
  [['Authorization', 'Basic abc'], false],
  [['authorization', 'bearer abc'], false],
  [['Authorization', 'macaroon abc'], false],
  [['Authorization', 'AWS4-HMAC-SHA256 Credential=x'], false],
  [['Authorization', 'NTLM TlRMTVNTUAAB'], true],
  [['AUTHORIZATION', ' negotiate YII'], true],
  [['Authorization', 'Basic abc', 'Authorization', 'NTLM abc'], true],
  [['Authorization', 'Basically'], true],
  [['Authorization', ''], true],
])('%j: %s', (headers, wanted) => expect(authenticatesConnection(headers)).toBe(wanted));
