import { z } from 'zod';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');

/** One registry of container images. */
export const ociRegistrySchema = z.strictObject({
  /** Its origin; the distribution API lies below `v2/`. */
  url: z.url({ protocol: /^https?$/, error: 'expected the http or https URL of a registry' }),
  /** Names of repositories that may be used, globs; all when absent. */
  repositories: z.array(z.string().min(1)).default(['**']),
  /** Where tokens are had: the realm of its `WWW-Authenticate`. */
  auth: z.array(glob).default([]),
  /** Where it redirects for blobs. */
  blobs: z.array(glob).default([]),
  /** Public keys in PEM: with them every image needs a cosign signature by one of them. */
  keys: z.array(z.string().includes('BEGIN PUBLIC KEY', { error: 'expected a public key in PEM' })).default([]),
});
export type OciRegistry = z.infer<typeof ociRegistrySchema>;

/** Section `oci` of `inspectors.yaml`. */
export const ociConfigSchema = z.strictObject({ registries: z.record(z.string(), ociRegistrySchema) });
