import { type PublicKey, readKeys } from 'openpgp';
import { messageOf } from './format-problem.js';

/** The keys of one configured repository. */
export interface KeyRing {
  readonly keys: readonly PublicKey[];
  /** Why blocks of the configuration could not be read. */
  readonly problems: readonly string[];
}

const block = /-----BEGIN PGP PUBLIC KEY BLOCK-----[\s\S]*?-----END PGP PUBLIC KEY BLOCK-----/g;

/**
 * Reads all armored blocks of a configuration's `public-key`, every key of each block with its subkeys. Blocks that do not
 * parse are problems, not exceptions: other blocks may still be good.
 */
export async function readKeyRing(armored: string): Promise<KeyRing> {
  const blocks = armored.match(block) ?? [];
  const problems = blocks.length === 0 ? ['no complete armored public key block'] : [];
  const keys: PublicKey[] = [];
  for (const [index, armoredKeys] of blocks.entries()) {
    try {
      // YAML's folded blocks indent lines; armor must start at the margin.
      const found = await readKeys({ armoredKeys: armoredKeys.replace(/^[ \t]+/gm, '') });
      // A private key pasted by mistake still verifies as what its public half is.
      keys.push(...found.map((key) => key.toPublic()));
    } catch (error) {
      problems.push(`block ${index + 1} of public-key cannot be read: ${messageOf(error)}`);
    }
  }
  return { keys, problems };
}

/** Upper-case hex fingerprint of the primary key, as people know it. */
export function fingerprintOf(key: PublicKey): string {
  return key.getFingerprint().toUpperCase();
}

/** First user id, or the fingerprint for a key without one. */
export function nameOf(key: PublicKey): string {
  return key.getUserIDs()[0] ?? fingerprintOf(key);
}
