import { CacheClientError } from '../errors.js';
import type { RemoteEndpoint } from '../remotes/settings.js';

/**
 * The arguments of the system's ssh: never asks a person, gives up on a silent host, forwards nothing. What else is needed (keys,
 * jump hosts, host keys) is in the user's own ssh configuration.
 * @throws CacheClientError CACHE_CONFIG_INVALID
 */
export function sshArguments({ url, namespace }: RemoteEndpoint): string[] {
  const user = decodeURIComponent(url.username);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // Neither may look like an option, nor like anything that a configuration's tokens would hand to a shell.
  if ((user !== '' && !/^[A-Za-z0-9_][A-Za-z0-9._-]*$/.test(user)) || !/^[A-Za-z0-9_:][A-Za-z0-9._:-]*$/.test(host)) {
    throw new CacheClientError('CACHE_CONFIG_INVALID', `${JSON.stringify(`${user}@${host}`)} is no address of ssh`);
  }
  if (url.password !== '') {
    throw new CacheClientError('CACHE_CONFIG_INVALID', 'the push-url holds a password, which ssh does not take', {
      hint: 'use a key: ssh-keygen, then have its public half added to the cache',
    });
  }
  return [
    '-T',
    '-x',
    '-a',
    ...['BatchMode=yes', 'ConnectTimeout=10', 'ServerAliveInterval=15', 'ServerAliveCountMax=4'].flatMap((option) => [
      '-o',
      option,
    ]),
    '-o',
    'ClearAllForwardings=yes',
    ...(url.port === '' ? [] : ['-p', url.port]),
    ...(user === '' ? [] : ['-l', user]),
    '--',
    host,
    `artifact-cache receive ${namespace}`,
  ];
}
