import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { ArtifactCacheError } from '../errors.js';
import { authorizedLine, parseSshKey } from '../serving/ssh-key.js';
import { type CommandContext, type CommandResult, operator, usage, withCache } from './command.js';
import { type GrantOptions, grantedTo, grantsText, principalDocument } from './tokens.js';

export interface AddKeyOptions extends GrantOptions {
  /** PEM file of a client certificate, instead of an ssh key. */
  readonly certificate?: string | undefined;
}

/** Adds an ssh public key, given as text, as a file or on standard input (`-`), or a client certificate. */
export async function addKey(
  context: CommandContext,
  name: string,
  key: string | undefined,
  options: AddKeyOptions,
): Promise<CommandResult> {
  if ((key === undefined) === (options.certificate === undefined)) {
    throw usage(
      'one key is wanted',
      'give the file of an ssh public key, the key itself, - for standard input, or --certificate FILE',
    );
  }
  const granted = grantedTo(name, options);
  const credential =
    key === undefined ? await certificateOf(context, options.certificate ?? '') : await sshKeyOf(context, key);
  return await withCache(context, options.config, async ({ store, loaded }) => {
    const added = await store.principals.add({ ...granted, credential }, operator());
    const line = authorizedLine(added, dirname(loaded.file));
    return {
      lines: [
        `Added ${name} (${credential.value}) for ${grantsText(added)}.`,
        ...(line === undefined
          ? []
          : ['Unless sshd asks for keys itself (AuthorizedKeysCommand), add this line to authorized_keys:', '', line]),
      ],
      value: { ...principalDocument(added), ...(line === undefined ? {} : { 'authorized-keys': line }) },
    };
  });
}

/** Lines for `authorized_keys`, or with a fingerprint those of one key: for sshd's AuthorizedKeysCommand. */
export async function authorizedKeys(
  context: CommandContext,
  config: string | undefined,
  fingerprint: string | undefined,
): Promise<CommandResult> {
  return await withCache(context, config, async ({ store, loaded }) => {
    const one = fingerprint === undefined ? undefined : await store.principals.find('ssh-key', fingerprint);
    const all = fingerprint === undefined ? await store.principals.list() : one ? [one] : [];
    const lines = all.flatMap((principal) => {
      const isOver = principal.expiresAt !== undefined && principal.expiresAt <= new Date();
      return (isOver ? undefined : authorizedLine(principal, dirname(loaded.file))) ?? [];
    });
    return { lines, value: { lines } };
  });
}

async function sshKeyOf({ cwd, input }: CommandContext, key: string) {
  const isText = /^(ssh-|ecdsa-|sk-)\S+ /.test(key);
  const text = isText ? key : key === '-' ? await input() : await readFile(resolve(cwd, key), 'utf8');
  const { fingerprint, publicKey } = parseSshKey(text);
  return { kind: 'ssh-key', value: fingerprint, publicKey } as const;
}

async function certificateOf({ cwd }: CommandContext, file: string) {
  const pem = await readFile(resolve(cwd, file));
  try {
    const { fingerprint256 } = new X509Certificate(pem);
    return { kind: 'certificate', value: fingerprint256.replaceAll(':', '').toLowerCase() } as const;
  } catch (cause) {
    throw new ArtifactCacheError('SERVER_KEY_INVALID', `${file} is no certificate in PEM`, { cause });
  }
}
