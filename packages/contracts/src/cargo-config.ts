import { z } from 'zod';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');

/** One cargo registry with a sparse index. Its git index is not carried. */
export const cargoRegistrySchema = z.strictObject({
  /** Where `config.json` and the index lines lie, as in cargo's own configuration, with or without `sparse+`. */
  index: z
    .string()
    .transform((text) => text.replace(/^sparse\+/, ''))
    .pipe(z.url({ protocol: /^https?$/, error: 'expected the http or https URL of a sparse index' })),
  /** Where crates lie: what `dl` in `config.json` leads to. */
  downloads: z.array(glob).default([]),
});
export type CargoRegistry = z.infer<typeof cargoRegistrySchema>;

/** Section `cargo` of `inspectors.yaml`. */
export const cargoConfigSchema = z.strictObject({ registries: z.record(z.string(), cargoRegistrySchema) });
