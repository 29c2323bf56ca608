import { redactText } from '@waybill/contracts';
import { CacheClientError, type CacheClientErrorCode } from '../errors.js';

interface Known {
  readonly pattern: RegExp;
  readonly code: CacheClientErrorCode;
  readonly what: string;
  readonly hint: string;
}

/** What ssh prints and what it means for a build. */
const known: readonly Known[] = [
  {
    pattern: /REMOTE HOST IDENTIFICATION HAS CHANGED|Host key verification failed|No .* host key is known/,
    code: 'CACHE_REMOTE_REFUSED',
    what: 'its host key is not the one that is known for it',
    hint: 'compare its fingerprint with what its owner says, then put it into ~/.ssh/known_hosts',
  },
  {
    pattern: /Permission denied|Too many authentication failures/,
    code: 'CACHE_REMOTE_REFUSED',
    what: 'it does not know your ssh key',
    hint: "send the owner of the cache your public key (~/.ssh/id_ed25519.pub), to be added with 'artifact-cache keys add'",
  },
  {
    pattern: /Connection refused/,
    code: 'CACHE_REMOTE_UNREACHABLE',
    what: 'nothing listens there',
    hint: 'check push-port, and whether sshd runs',
  },
  {
    pattern: /timed out|Timeout, server|No route to host|Network is unreachable/i,
    code: 'CACHE_REMOTE_UNREACHABLE',
    what: 'it does not answer',
    hint: 'check network, firewall and push-port',
  },
  {
    pattern: /Could not resolve hostname/,
    code: 'CACHE_REMOTE_UNREACHABLE',
    what: 'there is no host of this name',
    hint: 'check push-url',
  },
  {
    pattern: /command not found|No such file or directory|not found$/m,
    code: 'CACHE_REMOTE_FAILED',
    what: 'artifact-cache is not installed for this account',
    hint: 'put artifact-cache on the PATH of the account, or its full path into the forced command',
  },
];

/** Why a session of ssh ended before it should. */
export function sshFailure(
  host: string,
  exit: { readonly code: number | null; readonly stderr: string },
): CacheClientError {
  const found = known.find(({ pattern }) => pattern.test(exit.stderr));
  if (found) return new CacheClientError(found.code, `${host}: ${found.what}`, { hint: found.hint });
  const last = exit.stderr.trim().split('\n').at(-1) ?? '';
  const said = last === '' ? `ssh ended with exit code ${exit.code}` : last;
  return new CacheClientError('CACHE_REMOTE_UNREACHABLE', redactText(`${host}: ${said.slice(0, 300)}`), {
    hint: 'try the same by hand: ssh -v, with port, user and host of push-url',
  });
}

/** Why ssh could not even be started. */
export function startFailure(program: string, error: Error): CacheClientError {
  return new CacheClientError('CACHE_REMOTE_UNREACHABLE', `cannot start ${program}: ${error.message}`, {
    hint: 'install an OpenSSH client, or push over https',
    cause: error,
  });
}
