import { z } from 'zod';
import { cargoConfigSchema } from './cargo-config.js';
import { isHexDigest } from './digest.js';
import { genericChecksumsSchema } from './generic-config.js';
import { goConfigSchema } from './go-config.js';
import { lockFilesSchema } from './lock-files-config.js';
import { lxdConfigSchema } from './lxd-config.js';
import { mavenConfigSchema } from './maven-config.js';
import { ociConfigSchema } from './oci-config.js';
import { pipConfigSchema } from './pip-config.js';
import { snapConfigSchema } from './snap-config.js';

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

/** Repositories that builds may fetch from. */
export const gitConfigSchema = z.strictObject({
  urls: globs,
  /** Where LFS objects lie that are not kept below their repository, such as an object store. Ours; default none. */
  lfs: globs.optional(),
});

/** One npm registry: packuments below `url`, tarballs there or where `tarballs` globs allow. */
export const npmRegistrySchema = z.strictObject({
  url: baseUrl,
  tarballs: globs.default([]),
  /**
   * What signatures in `dist.signatures` count for: `verify` refuses a wrong one, `require` also a tarball without a right one.
   * Default `off`.
   */
  signatures: z.enum(['off', 'verify', 'require']).optional(),
  /** The registry's keys. Without them those that it lists itself count, which then prove no more than its origin does. */
  keys: z
    .array(
      z.strictObject({
        keyid: z.string().min(1).max(256),
        /** Base64 of the SubjectPublicKeyInfo, as the registry's list has it. */
        key: z.base64(),
        expires: z.iso.datetime().nullish(),
      }),
    )
    .optional(),
});
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
const count = z.number().int().nonnegative();

/** Bounds of what requests may carry to an upstream. Sizes in bytes, of the request as the client sent it. */
const requestBounds = {
  methods: z.array(z.string().regex(/^[A-Z]{1,20}$/, 'expected a method in upper case, such as POST')).optional(),
  'max-url-bytes': bytes.optional(),
  /** The query string, its question mark not counted. */
  'max-query-bytes': bytes.optional(),
  'max-header-bytes': bytes.optional(),
  'max-header-fields': count.optional(),
  /** Fields that no known client of a package service sends. */
  'max-unusual-header-bytes': bytes.optional(),
  'max-body-bytes': bytes.optional(),
};

/**
 * What requests may carry to upstreams that inspectors let them go to. A key at the top holds for all; of the rules, the first
 * with a matching URL overrides the keys that it names.
 */
export const requestsSchema = z.strictObject({
  ...requestBounds,
  rules: z.array(z.strictObject({ urls: globs.min(1), ...requestBounds })).default([]),
});
export type RequestsConfig = z.infer<typeof requestsSchema>;

/**
 * Limits of each session; see `ExchangeLimits` and `SessionQuotas` for their meaning. What is absent is {@link defaultLimitsConfig}'s.
 * What the service's own file names is the ceiling for sessions that bring a section of their own.
 */
export const limitsSchema = z.strictObject({
  'inspected-request-bytes': bytes.optional(),
  'artifact-bytes': bytes.optional(),
  'inspection-timeout-ms': milliseconds.optional(),
  'early-headers-after-ms': milliseconds.optional(),
  hold: z.enum(['stream', 'whole']).optional(),
  reuse: z.enum(['on', 'off']).optional(),
  'upstream-connect-timeout-ms': milliseconds.optional(),
  'upstream-idle-timeout-ms': milliseconds.optional(),
  'upstream-idle-bytes': bytes.optional(),
  connections: count.optional(),
  exchanges: count.optional(),
  'requests-per-second': count.optional(),
  'bytes-per-second': bytes.optional(),
  'total-bytes': bytes.optional(),
  downloads: count.optional(),
});
export type LimitsConfig = z.infer<typeof limitsSchema>;

/** All of them. */
export type ResolvedLimits = { readonly [Key in keyof LimitsConfig]-?: NonNullable<LimitsConfig[Key]> };

/** What holds where a file says nothing. */
export const defaultLimitsConfig: ResolvedLimits = {
  'inspected-request-bytes': 1 << 20,
  'artifact-bytes': 0,
  'inspection-timeout-ms': 300_000,
  'early-headers-after-ms': 5_000,
  hold: 'stream',
  reuse: 'on',
  'upstream-connect-timeout-ms': 30_000,
  'upstream-idle-timeout-ms': 300_000,
  'upstream-idle-bytes': 128,
  connections: 0,
  exchanges: 0,
  'requests-per-second': 0,
  'bytes-per-second': 0,
  'total-bytes': 0,
  downloads: 0,
};

/** A section with its gaps filled. */
export function resolveLimits(config: LimitsConfig = {}): ResolvedLimits {
  const named = Object.entries(config).filter(([, value]) => value !== undefined);
  return { ...defaultLimitsConfig, ...Object.fromEntries(named) };
}

/**
 * `inspectors.yaml`: sections of the seed with the same keys and glob rules, plus ours. A section that is absent allows
 * nothing. Unknown keys are errors. Also the value of `inspectors-configuration` in `POST /session`.
 */
export const inspectorsConfigSchema = z.strictObject({
  git: gitConfigSchema.optional(),
  crafts: urlList.optional(),
  chisel: urlList.optional(),
  store: urlList.optional(),
  bldbin: urlList.optional(),
  snap: snapConfigSchema.optional(),
  lxd: lxdConfigSchema.optional(),
  apt: z.strictObject({ repositories: z.record(z.string(), aptRepositorySchema) }).optional(),
  npm: z
    .strictObject({
      registries: z.record(z.string(), npmRegistrySchema),
      /** Questions for advisories (`npm audit`): `ask` the registry, answer them as `empty`, or `refuse` them. Default `ask`. */
      audit: z.enum(['ask', 'empty', 'refuse']).optional(),
    })
    .optional(),
  cargo: cargoConfigSchema.optional(),
  go: goConfigSchema.optional(),
  pip: pipConfigSchema.optional(),
  maven: mavenConfigSchema.optional(),
  oci: ociConfigSchema.optional(),
  generic: z
    .strictObject({
      files: z.array(genericFileSchema).default([]),
      checksums: z.array(genericChecksumsSchema).optional(),
    })
    .optional(),
  'lock-files': lockFilesSchema.optional(),
  requests: requestsSchema.optional(),
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
