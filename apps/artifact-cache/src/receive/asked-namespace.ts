import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { ReceiveError } from './receive-error.js';

/** What a client may ask sshd to run. The words of the seed are understood, so that its habit of naming the program works. */
const command = /^artifact-cache receive(?: --verbose)?(?: ([A-Za-z0-9][A-Za-z0-9._/-]{0,199}))?$/;

/**
 * The namespace that the client's own command asks for (`SSH_ORIGINAL_COMMAND`). Any other command is refused: nothing else is
 * reachable through this account.
 * @throws ReceiveError RECEIVE_COMMAND_REFUSED
 */
export function askedNamespace(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const asked = env.SSH_ORIGINAL_COMMAND;
  if (asked === undefined && env.SSH_CONNECTION === undefined) return undefined;
  const match = command.exec(asked ?? '');
  if (match) return match[1];
  throw new ReceiveError(
    'RECEIVE_COMMAND_REFUSED',
    asked === undefined
      ? 'this account has no shell'
      : `this account does not run ${JSON.stringify(asked.slice(0, 80))}`,
    { hint: "it takes artifacts: put ssh://user@host/NAMESPACE as push-url into the client's configuration" },
  );
}

/**
 * Divides `REPO` or `REPO/namespace`: the nearest directory with a `config.yaml`, and what stands below it.
 * @throws ReceiveError RECEIVE_REPOSITORY
 */
export function findRepository(
  path: string,
  cwd: string,
): { readonly config: string; readonly namespace: string | undefined } {
  const full = resolve(cwd, path);
  for (let directory = full; ; directory = dirname(directory)) {
    const config = join(directory, 'config.yaml');
    if (existsSync(config)) return { config, namespace: relative(directory, full) || undefined };
    if (directory === resolve(cwd) || directory === dirname(directory)) break;
  }
  throw new ReceiveError(
    'RECEIVE_REPOSITORY',
    `${full} is no repository of artifact-cache: there is no config.yaml in it`,
    {
      hint: "make one with 'artifact-cache init DIR'",
    },
  );
}
