import { z } from 'zod';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');

/**
 * A signed list of digests, as projects publish beside their files: `SHA256SUMS` or `SHA512SUMS` with an OpenPGP or minisign
 * signature. What it lists is approved by its digest.
 */
export const genericChecksumsSchema = z
  .strictObject({
    /** Of the list: an exact URL or a glob. Files that it lists lie beside it, or where `files` allows. */
    url: glob,
    /** Where its files may lie, when not in the list's own directory. */
    files: z.array(glob).optional(),
    /** `openpgp`: one or more armored public keys. */
    'public-key': z
      .string()
      .includes('BEGIN PGP PUBLIC KEY BLOCK', { error: 'expected one or more armored OpenPGP public keys' })
      .optional(),
    /** The base64 line of a minisign public key. */
    'minisign-key': z
      .string()
      .regex(/^RW[Q-T][A-Za-z0-9+/]{53}$/, 'expected the base64 line of a minisign public key, RW…')
      .optional(),
    /** What is put behind the list's URL for its signature. Default: of the list itself when clearsigned, else `.asc`, `.sig`, `.gpg`, `.sign`, or `.minisig`. */
    signature: z.string().min(1).max(100).optional(),
  })
  .refine((list) => (list['public-key'] === undefined) !== (list['minisign-key'] === undefined), {
    error: 'expected either `public-key` (OpenPGP) or `minisign-key`',
    path: ['public-key'],
  });
export type GenericChecksums = z.infer<typeof genericChecksumsSchema>;
