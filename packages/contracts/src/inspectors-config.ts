import { z } from 'zod';
import { isHexDigest } from './digest.js';

const glob = z.string().min(1, 'expected a URL glob such as https://host:443/**');
const globs = z.array(glob);
const urlList = z.strictObject({ urls: globs });
const cidr = z.string().min(1);
const sha256 = z
  .string()
  .toLowerCase()
  .refine((hex) => isHexDigest('sha256', hex), 'expected 64 hex digits');
const sha512 = z
  .string()
  .toLowerCase()
  .refine((hex) => isHexDigest('sha512', hex), 'expected 128 hex digits');
const baseUrl = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });

/** One apt repository. `dists` is the old name of `suites`. specs/fetch-service.md §6.1. */
export const aptRepositorySchema = z
  .strictObject({
    urls: globs,
    suites: globs.optional(),
    dists: globs.optional(),
    components: globs.default(['*', '**']),
    'public-key': z
      .string()
      .includes('BEGIN PGP PUBLIC KEY BLOCK', { error: 'expected one or more armored OpenPGP public keys' }),
    'base-url-alias': z.string().optional(),
    /** Accept an index older than its Valid-Until. Ours; default false. */
    'allow-expired': z.boolean().default(false),
  })
  .refine((r) => r.suites || r.dists, {
    error: 'missing `suites` (globs of suite names; formerly `dists`)',
    path: ['suites'],
  })
  .transform(({ dists, ...rest }) => ({ ...rest, suites: rest.suites ?? dists ?? [] }));
export type AptRepository = z.infer<typeof aptRepositorySchema>;

/** One npm registry: packuments below `url`, tarballs there or where `tarballs` globs allow. */
export const npmRegistrySchema = z.strictObject({ url: baseUrl, tarballs: globs.default([]) });
export type NpmRegistry = z.infer<typeof npmRegistrySchema>;

/** A file pinned by digest. */
export const genericFileSchema = z
  .strictObject({
    /** Exact URL or glob, in normalised form (`:443` explicit) or not: both match. */
    url: glob,
    sha256: sha256.optional(),
    sha512: sha512.optional(),
    name: z.string().optional(),
    version: z.string().optional(),
    license: z.string().optional(),
    purl: z.string().optional(),
  })
  .refine((f) => f.sha256 || f.sha512, {
    error: 'missing `sha256` or `sha512`: a generic file is approved by its digest',
    path: ['sha256'],
  });
export type GenericFile = z.infer<typeof genericFileSchema>;

const bytes = z.number().int().nonnegative();
const milliseconds = z.number().int().nonnegative();

/** Limits; see `ExchangeLimits` for their meaning. */
export const limitsSchema = z.strictObject({
  'inspected-request-bytes': bytes.default(1 << 20),
  'artifact-bytes': bytes.default(0),
  'inspection-timeout-ms': milliseconds.default(300_000),
  'early-headers-after-ms': milliseconds.default(5_000),
  hold: z.enum(['stream', 'whole']).default('stream'),
  'upstream-connect-timeout-ms': milliseconds.default(30_000),
  'upstream-idle-timeout-ms': milliseconds.default(300_000),
});
export type LimitsConfig = z.infer<typeof limitsSchema>;

/**
 * `inspectors.yaml`: sections of the seed with the same keys and glob rules, plus ours. A section that is absent allows
 * nothing. Unknown keys are errors. Also the value of `inspectors-configuration` in `POST /session`.
 */
export const inspectorsConfigSchema = z.strictObject({
  git: urlList.optional(),
  crafts: urlList.optional(),
  chisel: urlList.optional(),
  store: urlList.optional(),
  bldbin: urlList.optional(),
  snap: z
    .strictObject({ 'snap-declaration': z.array(z.strictObject({ name: z.string(), value: z.array(z.string()) })) })
    .optional(),
  apt: z.strictObject({ repositories: z.record(z.string(), aptRepositorySchema) }).optional(),
  npm: z.strictObject({ registries: z.record(z.string(), npmRegistrySchema) }).optional(),
  generic: z.strictObject({ files: z.array(genericFileSchema) }).optional(),
  limits: limitsSchema.optional(),
});
export type InspectorsConfig = z.infer<typeof inspectorsConfigSchema>;
/** As written in the file, before defaults. */
export type InspectorsConfigInput = z.input<typeof inspectorsConfigSchema>;

/** `acl.yaml`. specs §3.8; enforced before connecting. */
export const aclSchema = z.strictObject({
  'http-proxy': z.strictObject({
    policy: z.enum(['allow', 'deny']).default('allow'),
    rules: z.array(z.strictObject({ dst: z.array(cidr).min(1), access: z.enum(['allow', 'deny']) })).default([]),
  }),
});
export type AclConfig = z.infer<typeof aclSchema>;
