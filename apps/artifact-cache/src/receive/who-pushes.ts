import { readFile } from 'node:fs/promises';
import type { CachePrincipal, CacheStore } from '@waybill/cache-store';
import type { Caller } from '../serving/serving.js';
import { sshFingerprint } from '../serving/ssh-key.js';
import { ReceiveError } from './receive-error.js';

/** What says who is at the other end. */
export interface PusherClues {
  /** `--principal`: the id itself. */
  readonly principal?: string | undefined;
  /** `--key`: fingerprint of the key, as `command=` in `authorized_keys` or `AuthorizedKeysCommand` hands it over. */
  readonly key?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Asks who it is; each call looks anew. @throws ReceiveError RECEIVE_KEY_UNKNOWN */
export type WhoPushes = () => Promise<Caller>;

/**
 * Finds out how the client is known: by the id or key of the command line, which only the server's side writes, else by what
 * sshd says of the log-in (`ExposeAuthInfo yes`).
 * @throws ReceiveError RECEIVE_KEY_UNKNOWN
 */
export async function whoPushes(store: CacheStore, clues: PusherClues): Promise<WhoPushes> {
  const { principals } = store;
  const address = clues.env.SSH_CONNECTION?.split(' ')[0];
  const find = await finder(store, clues);
  return async () => {
    const found = await find();
    if (!found) throw unknown(clues);
    const expires = found.expiresAt?.getTime() ?? Number.POSITIVE_INFINITY;
    if (expires <= Date.now()) throw unknown(clues);
    const { id, credential, grants } = found;
    return { principal: id, credential: credential.kind, grants, open: 'none', ...(address && { address }) };
  };

  async function finder(_store: CacheStore, { principal, key, env }: PusherClues) {
    if (principal !== undefined) return () => principals.get(principal);
    const prints = key === undefined ? await printsOfLogin(env.SSH_USER_AUTH) : [key];
    return async (): Promise<CachePrincipal | undefined> => {
      for (const print of prints) {
        const found = await principals.find('ssh-key', print);
        if (found) return found;
      }
      return undefined;
    };
  }
}

/** Fingerprints of the keys that a log-in was done with: lines `publickey <type> <base64>` of the file that sshd names. */
async function printsOfLogin(file: string | undefined): Promise<string[]> {
  const text = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '');
  return [...text.matchAll(/^publickey \S+ ([A-Za-z0-9+/]+=*)$/gm)].map((match) =>
    sshFingerprint(Buffer.from(match[1] as string, 'base64')),
  );
}

function unknown({ principal, key }: PusherClues): ReceiveError {
  const whom = principal ?? key;
  return new ReceiveError(
    'RECEIVE_KEY_UNKNOWN',
    `nobody is known ${whom === undefined ? 'by the key of this log-in' : `as ${whom}`}`,
    {
      hint:
        whom === undefined
          ? "have the key added with 'artifact-cache keys add'; the server's sshd needs 'ExposeAuthInfo yes', or a command= with --key"
          : "have the key added with 'artifact-cache keys add'",
    },
  );
}
