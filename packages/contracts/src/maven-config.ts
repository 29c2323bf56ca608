import { z } from 'zod';

/** One Maven repository. */
export const mavenRepositorySchema = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'expected the http or https URL of a repository' }),
  /** Armored OpenPGP keys: with them every artifact needs a valid `.asc` beside it. */
  'public-key': z
    .string()
    .includes('BEGIN PGP PUBLIC KEY BLOCK', { error: 'expected one or more armored OpenPGP public keys' })
    .optional(),
});
export type MavenRepository = z.infer<typeof mavenRepositorySchema>;

/** Section `maven` of `inspectors.yaml`, for Maven, Gradle and whoever speaks their layout. */
export const mavenConfigSchema = z.strictObject({ repositories: z.record(z.string(), mavenRepositorySchema) });
