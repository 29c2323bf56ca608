import { z } from 'zod';

/** One server of simplestreams catalogs and images. */
export const lxdServerSchema = z.strictObject({
  /** Images and `streams/v1/` lie below it. */
  url: z.url({ protocol: /^https?$/, error: 'expected the http or https URL of an image server' }),
  /** Armored OpenPGP keys: catalogs need a signature by one of them. Needed where `url` is plain http. */
  'public-key': z
    .string()
    .includes('BEGIN PGP PUBLIC KEY BLOCK', { error: 'expected one or more armored OpenPGP public keys' })
    .optional(),
});
export type LxdServer = z.infer<typeof lxdServerSchema>;

/** Section `lxd` of `inspectors.yaml`. Ours: the earlier service had its servers compiled in. */
export const lxdConfigSchema = z.strictObject({ servers: z.record(z.string(), lxdServerSchema) });
