import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { readConfig } from '../config/load-config.js';
import { ArtifactCacheError, systemCode } from '../errors.js';
import { openCache } from '../serve/open-cache.js';
import type { CommandContext, CommandResult } from './command.js';

/** Makes a directory with a configuration, an index and room for bytes. Never writes over a configuration. */
export async function init({ cwd }: CommandContext, directory: string): Promise<CommandResult> {
  const full = resolve(cwd, directory);
  const file = join(full, 'config.yaml');
  // Bytes of others and digests of tokens lie there.
  await mkdir(full, { recursive: true, mode: 0o750 });
  try {
    await writeFile(file, template, { flag: 'wx', mode: 0o640 });
  } catch (cause) {
    if (systemCode(cause) !== 'EEXIST') throw cause;
    throw new ArtifactCacheError('SERVER_DIRECTORY_IN_USE', `${file} is there already`, {
      hint: 'choose another directory, or change that file by hand',
      cause,
    });
  }
  const cache = await openCache(readConfig(template, file));
  await cache.close();
  return {
    lines: [
      `Made ${full}`,
      '',
      'Next:',
      `  1. look at ${file}: addresses, certificate, quota`,
      `  2. artifact-cache token create ci --grant main=write --config ${file}`,
      `     artifact-cache keys add alice id_ed25519.pub --grant main=write --config ${file}`,
      `  3. artifact-cache serve --config ${file}`,
    ],
    value: { directory: full, config: file },
  };
}

const template = `# artifact-cache: shares build outputs. All keys: docs/artifact-cache/configuration.md
# Paths are relative to the directory of this file. artifact-cache check looks at it without starting anything.

listen:
  # Everybody on this machine may read; writing needs a token (artifact-cache token create).
  - address: 127.0.0.1:8980
    anonymous: read
  # For others, with TLS; certificate and key are read again when they change:
  # - address: 0.0.0.0:8443
  #   tls: { cert: tls/cert.pem, key: tls/key.pem }
  #   anonymous: read

storage:
  # Bytes: a directory, or s3://bucket/prefix?endpoint=https://s3.example&cache-dir=/var/cache/artifact-cache
  blobs: file:blobs
  # Names: SQLite here, or postgres://user:password@host/database for several servers over one store.
  database: file:index.sqlite

namespaces:
  # Above the quota, what was not used for longest goes. Builds trust what is in here.
  main: { quota: 20G, unused-for: 90d }
  # What others build (pull requests) stays apart: they read main, and main never reads theirs.
  # "pr/*": { quota: 5G, unused-for: 14d, reads-through: main }

# What clients are told at /v1/info:
# pull-url: https://cache.example:8443
# push-url: ssh://artifacts@cache.example:22/main
`;
