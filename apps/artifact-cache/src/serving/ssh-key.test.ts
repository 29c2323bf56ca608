import { describe, expect, it } from 'vitest';
import { authorizedLine, parseSshKey } from './ssh-key.js';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMyQKQbCdXkTc/0DiuYURnDZi76fT+Y4irNBp8LVFNw+';
const fingerprint = 'SHA256:dLGCHnCYQx1YkGWiLDwnkizgaWh9hb2fyrr5++IvCvU';

describe('ssh public keys', () => {
  it('are known by the fingerprint that OpenSSH prints', () => {
    expect(parseSshKey(`# mine\n${key} alice@laptop\n`)).toEqual({ fingerprint, publicKey: key });
  });

  it.each([
    ['nothing', ''],
    ['a private key', '-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n'],
    ['another kind', key.replace('ssh-ed25519', 'ssh-dss')],
    ['another type inside', key.replace('ssh-ed25519', 'ssh-rsa')],
    ['a damaged key', `${key.slice(0, 30)}!`],
    ['options before it', `command="sh" ${key}`],
    ['two keys', `${key}\n${key}\n`],
  ])('%s is refused', (_name, text) => {
    expect(() => parseSshKey(text)).toThrow(expect.objectContaining({ code: 'SERVER_KEY_INVALID' }));
  });

  it('may do nothing but push', () => {
    const principal = {
      id: 'alice',
      credential: { kind: 'ssh-key', value: fingerprint, publicKey: key },
      grants: [],
      createdAt: new Date(0),
    } as const;
    expect(authorizedLine(principal, '/srv/cache')).toBe(
      `command="artifact-cache receive --key ${fingerprint} /srv/cache",restrict ${key} alice`,
    );
    expect(authorizedLine(principal, '/srv/it\'s "mine"')).toContain(`'/srv/it'\\''s \\"mine\\"'",restrict`);
    expect(authorizedLine({ ...principal, credential: { kind: 'token', value: 'x' } }, '/srv')).toBeUndefined();
  });
});
