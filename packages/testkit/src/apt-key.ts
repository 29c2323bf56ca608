import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { mustRun, runProgram } from './program.js';

/** A throw-away signing key in a GnuPG home of its own. */
export interface AptSigningKey {
  /** Upper-case hex. */
  readonly fingerprint: string;
  readonly publicKeyArmor: string;
  /** Clearsigned text, as InRelease is. */
  clearsign(text: string): Promise<string>;
  /** Armored detached signature, as Release.gpg is. */
  detach(text: string): Promise<string>;
  /** Stops GnuPG's agent and removes the home. */
  remove(): Promise<void>;
}

export interface AptSigningKeyOptions {
  /** Default `Test Archive <archive@deb.registry.example>`. */
  readonly userId?: string;
  /** As gpg's --quick-gen-key takes it. Default ed25519. */
  readonly algorithm?: string;
  /** Sign with a subkey, as most archives do. Default true. */
  readonly subkey?: boolean;
  /** `1d`, `2y`, `0` (never). Default `1d`. */
  readonly expires?: string;
}

/** Makes a key with the real gpg. The caller removes it. */
export async function createAptSigningKey(options: AptSigningKeyOptions = {}): Promise<AptSigningKey> {
  const { userId = 'Test Archive <archive@deb.registry.example>', algorithm = 'ed25519', expires = '1d' } = options;
  // Directly below the temporary directory: the path of the agent's socket may not be long.
  const home = await mkdtemp(join(tmpdir(), 'wb-gpg-'));
  const env = { PATH: process.env.PATH, GNUPGHOME: home, LC_ALL: 'C' };
  const gpg = (args: readonly string[], input?: string) =>
    mustRun(
      'gpg',
      ['--batch', '--yes', '--no-tty', '--quiet', '--passphrase', '', '--pinentry-mode', 'loopback', ...args],
      {
        env,
        ...(input !== undefined && { input }),
      },
    );
  try {
    await gpg(['--quick-gen-key', userId, algorithm, 'cert,sign', expires]);
    const listing = await gpg(['--list-keys', '--with-colons']);
    const fingerprint = /^fpr:+([0-9A-F]+):/m.exec(listing)?.[1] ?? '';
    if (options.subkey ?? true) await gpg(['--quick-add-key', fingerprint, algorithm, 'sign', expires]);
    const publicKeyArmor = await gpg(['--armor', '--export', fingerprint]);
    const sign = ['--local-user', fingerprint, '--digest-algo', 'SHA512'];
    return {
      fingerprint,
      publicKeyArmor,
      clearsign: (text) => gpg([...sign, '--clearsign'], text),
      detach: (text) => gpg([...sign, '--armor', '--detach-sign'], text),
      async remove() {
        await runProgram('gpgconf', ['--kill', 'all'], { env });
        await rm(home, { recursive: true, force: true, maxRetries: 3 });
      },
    };
  } catch (error) {
    await runProgram('gpgconf', ['--kill', 'all'], { env });
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
    throw error;
  }
}
