import { describe, expect, it } from 'vitest';
import { knownSecrets, lostSecrets, parseSecrets } from './secrets.js';

const url = 'https://git.example:443/**';
const basic = { type: 'basic-auth', url, 'basic-credentials': 'user:pass:word' };

describe('parseSecrets', () => {
  it.each<[string, unknown, string]>([
    ['no type', { url }, 'Invalid secret: missing type'],
    ['an empty type', { ...basic, type: '' }, 'Invalid secret: missing type'],
    ['an unknown type', { ...basic, type: 'oauth' }, 'Invalid secret: invalid type'],
    ['a type of the prototype', { ...basic, type: 'constructor' }, 'Invalid secret: invalid type'],
    ['no url', { type: 'basic-auth', 'basic-credentials': 'a:b' }, 'Invalid secret: missing url'],
    ['no basic credentials', { type: 'basic-auth', url }, "Invalid secret: missing credentials for 'basic-auth'"],
    [
      'credentials of another type',
      { type: 'macaroon', url, 'basic-credentials': 'a:b' },
      "Invalid secret: missing credentials for 'macaroon'",
    ],
    [
      'no keystone credentials',
      { type: 'keystone-v3', url, 'keystone-v3-credentials': '' },
      "Invalid secret: missing credentials for 'keystone-v3'",
    ],
    ['a field of another kind', { ...basic, url: 7 }, 'secrets[0].url: expected a string'],
    ['no object', 'basic-auth', 'secrets[0]: expected an object'],
    [
      'a header in the credentials',
      { type: 'macaroon', url, 'macaroon-credentials': 'x\r\nHost: evil' },
      'secrets[0].macaroon-credentials: control characters are not allowed',
    ],
  ])('refuses %s', (_name, secret, message) => {
    expect(() => parseSecrets([secret])).toThrow(message);
  });

  it('decodes the whole list before it validates, as the seed does', () => {
    expect(() => parseSecrets([{ url }, { ...basic, url: 'https://[' }])).toThrow(/^secrets\[1\]\.url: /);
  });

  it('takes the three types, and null for what is absent', () => {
    const secrets = parseSecrets([
      { ...basic, 'macaroon-credentials': null },
      { type: 'macaroon', url, 'macaroon-credentials': 'abc' },
      { type: 'keystone-v3', url, 'keystone-v3-credentials': 'u:p' },
    ]);
    expect(secrets.map(({ type }) => type)).toEqual(['basic-auth', 'macaroon', 'keystone-v3']);
  });
});

describe('credentialFor', () => {
  it('uses the first secret that matches and no other', () => {
    const secrets = knownSecrets(
      parseSecrets([
        { type: 'macaroon', url: 'https://git.example:443/private/*', 'macaroon-credentials': 'first' },
        { ...basic, url: 'https://git.example:443/**' },
        { type: 'keystone-v3', url: 'https://id.example:443/**', 'keystone-v3-credentials': 'me:a:b' },
      ]),
    );
    expect(secrets.credentialFor('https://git.example:443/private/a')).toEqual(authorization('macaroon first'));
    expect(secrets.credentialFor('https://git.example:443/private/a/b')).toEqual(
      authorization(`Basic ${Buffer.from('user:pass:word').toString('base64')}`),
    );
    expect(secrets.credentialFor('https://id.example:443/v3')).toEqual({
      type: 'keystone-v3',
      user: 'me',
      password: 'a:b',
    });
    expect(secrets.credentialFor('https://other.example:443/private/a')).toBeUndefined();
  });

  it('says so when a secret went with an earlier process', () => {
    const secrets = lostSecrets([url]);
    expect(secrets.credentialFor('https://git.example:443/x')).toEqual({ type: 'lost' });
    expect(secrets.credentialFor('https://other.example:443/x')).toBeUndefined();
  });
});

function authorization(value: string) {
  return { type: 'header', name: 'Authorization', value };
}
