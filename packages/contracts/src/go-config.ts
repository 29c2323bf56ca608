import { z } from 'zod';

const glob = z.string().min(1, 'expected a glob');
const baseUrl = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });

/** One checksum database. */
export const goSumDatabaseSchema = z.strictObject({
  /** `<name>+<hash>+<key>`, as in GOSUMDB. */
  key: z
    .string()
    .regex(
      /^[^\s+]{1,253}\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}={0,2}$/,
      'expected <name>+<8 hex digits>+<base64 key>, as in GOSUMDB',
    ),
  /** Where it answers itself; default `https://<name>/`. Module proxies also hand it on below `sumdb/<name>/`. */
  url: baseUrl.optional(),
});
export type GoSumDatabase = z.infer<typeof goSumDatabaseSchema>;

/** Section `go` of `inspectors.yaml`. */
export const goConfigSchema = z.strictObject({
  /** Module proxies, as in GOPROXY. */
  proxies: z.record(z.string(), z.strictObject({ url: baseUrl })).default({}),
  'sum-databases': z.record(z.string(), goSumDatabaseSchema).default({}),
  /** Module paths that no checksum database lists (as in GONOSUMDB): approved by trust in the proxy alone. */
  unlisted: z.array(glob).default([]),
  /** Pages that say where a module's repository lies (`?go-get=1`), URL globs without the query. */
  imports: z.array(glob).default([]),
});
export type GoConfig = z.infer<typeof goConfigSchema>;
