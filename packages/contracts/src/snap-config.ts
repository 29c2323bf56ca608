import { z } from 'zod';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');

/** Section `snap` of `inspectors.yaml`. `snap-declaration` is the earlier service's key; the others are ours. */
export const snapConfigSchema = z.strictObject({
  /** Headers that a snap's snap-declaration must have, each with one of the listed values; none: every publisher. */
  'snap-declaration': z.array(z.strictObject({ name: z.string(), value: z.array(z.string()) })),
  /** The store's API, such as `https://snaps.registry.example/`. Without it nothing of a snap store is recognised. */
  store: z.url({ protocol: /^https?$/, error: 'expected the http or https URL of a snap store' }).optional(),
  /** Where the store redirects for snaps. */
  downloads: z.array(glob).default([]),
  /** Root account keys: their `public-key-sha3-384`, or the whole self-signed account-key assertion. */
  'root-account-keys': z
    .array(
      z
        .string()
        .regex(
          /^(?:\s*[A-Za-z0-9_-]{64}\s*$|type: account-key\n)/,
          'expected the public-key-sha3-384 of a root account key (64 characters), or its account-key assertion',
        ),
    )
    .default([]),
});
export type SnapConfig = z.infer<typeof snapConfigSchema>;
