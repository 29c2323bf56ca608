import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { armorPublicKeys, isBinaryKeyring, publicKeyBlocks } from '../openpgp/armor.js';

/** Armored public keys of one place, or why there are none. */
export type KeyText = { readonly armored: string } | { readonly problem: string };

/** Reads a keyring file, binary or armored. */
export async function readKeyFile(path: string): Promise<KeyText> {
  const bytes = await readFile(path).catch(() => undefined);
  if (!bytes) return { problem: `the key file ${path} cannot be read` };
  if (isBinaryKeyring(bytes)) return { armored: armorPublicKeys(bytes) };
  const blocks = publicKeyBlocks(bytes.toString('utf8'));
  if (blocks.length > 0) return { armored: `${blocks.join('\n')}\n` };
  const isKeybox = bytes.subarray(8, 12).toString('latin1') === 'KBXf';
  return {
    problem: `the key file ${path} is ${isKeybox ? 'a keybox of gpg; export the keys from it' : 'no OpenPGP keyring'}`,
  };
}

/** Files that apt trusts for sources without Signed-By: `trusted.gpg` and what lies in `trusted.gpg.d`. */
export async function trustedKeyFiles(trusted: string, trustedParts: string): Promise<string[]> {
  const parts = await readdir(trustedParts).catch(() => []);
  const files = parts.filter((name) => /\.(gpg|asc)$/.test(name)).sort();
  const own = (await readFile(trusted).catch(() => Buffer.alloc(0))).length > 0 ? [trusted] : [];
  return [...own, ...files.map((name) => join(trustedParts, name))];
}
