import { z } from 'zod';
import { durationSchema, sizeSchema } from './units.js';

const rights = ['read', 'write', 'admin'] as const;
const overwriteSchema = z.enum(['first-wins', 'last-wins']);
const kinds = ['artifact', 'action', 'raw', 'asset-blob', 'asset-directory', 'reference', 'turbo', 'nx', 'kv'] as const;

/** `host:port`, `[::]:port`, `:port` or a port. */
const addressSchema = z.union([z.string(), z.number()]).transform((value, context) => {
  const [, host = '', digits = ''] = /^(?:(.*):)?(\d{1,5})$/.exec(String(value).trim()) ?? [];
  const port = Number(digits);
  if (digits !== '' && port <= 65_535 && /^(\[[0-9a-fA-F:.]+\]|[\w.-]*)$/.test(host)) {
    return { host: host.replace(/^\[|\]$/g, '') || '::', port };
  }
  context.addIssue({
    code: 'custom',
    message: `${JSON.stringify(value)} is no address, wanted host:port, e.g. 0.0.0.0:8980 or [::1]:8980`,
  });
  return z.NEVER;
});

const pattern = z
  .string()
  .regex(
    /^(\*|[A-Za-z0-9][\w.-]*(\/[A-Za-z0-9][\w.-]*)*(\/\*)?)$/,
    'expected the name of a namespace, NAME/* for all below it, or *',
  );

const listenSchema = z.strictObject({
  address: addressSchema,
  tls: z
    .strictObject({
      cert: z.string(),
      key: z.string(),
      'client-ca': z.string().optional(),
      'client-certificates': z.enum(['optional', 'required']).default('optional'),
    })
    .optional(),
  anonymous: z.enum(['none', 'read', 'write']).default('none'),
  certified: z.enum(['none', 'read', 'write']).default('none'),
});

const namespaceSchema = z.strictObject({
  quota: sizeSchema.optional(),
  'low-watermark': z.number().gt(0).lt(1).optional(),
  'hard-limit': sizeSchema.optional(),
  'max-blob': sizeSchema.optional(),
  overwrite: z.union([overwriteSchema, z.partialRecord(z.enum(kinds), overwriteSchema)]).optional(),
  'reads-through': z.string().optional(),
  'unused-for': durationSchema.optional(),
  'read-only': z.boolean().optional(),
  'raw-actions': z.boolean().optional(),
  public: z.boolean().optional(),
});

const httpUrl = z.url({ protocol: /^https?$/, error: 'expected an http or https URL' });

/** The configuration file, key by key. docs/artifact-cache/configuration.md */
export const configSchema = z.strictObject({
  listen: z
    .array(listenSchema)
    .min(1)
    .default([{ address: { host: '127.0.0.1', port: 8980 }, anonymous: 'none', certified: 'none' }]),
  storage: z.strictObject({ blobs: z.string().min(1), database: z.string().min(1) }),
  namespaces: z.record(pattern, namespaceSchema).default({ '*': {} }),
  oidc: z
    .array(
      z.strictObject({
        issuer: httpUrl,
        audience: z.string().min(1),
        'jwks-uri': httpUrl.optional(),
        grants: z
          .array(z.strictObject({ subject: z.string().min(1), namespace: pattern, right: z.enum(rights) }))
          .min(1),
      }),
    )
    .default([]),
  'pull-url': httpUrl.optional(),
  'push-url': z.url({ protocol: /^ssh$/, error: 'expected ssh://user@host:port/path' }).optional(),
  limits: z
    .strictObject({
      'max-blob': sizeSchema.optional(),
      'max-batch': z.number().int().min(1).max(100_000).optional(),
      /** How long what was said to be there stays, whatever the quota says. */
      lease: durationSchema.optional(),
    })
    .default({}),
  log: z.enum(['debug', 'info', 'warn', 'error']).default('info'),
});

/** The configuration as it was read: sizes in bytes, durations in milliseconds. */
export type CacheConfig = z.output<typeof configSchema>;
export type NamespaceConfig = z.output<typeof namespaceSchema>;
