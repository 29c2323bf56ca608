/** Wire types of artifact-cache's own HTTP API (`/v1`), shared by server and client. docs/artifact-cache/api.md describes it. */
import { z } from 'zod';

const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256 in 64 lower-case hex digits');

/** Bytes by name and size. */
export const cacheBlobSchema = z.strictObject({ sha256: sha256Schema, size: z.number().int().nonnegative() });
export type CacheBlobDocument = z.infer<typeof cacheBlobSchema>;

/** `GET /v1/info`: who answers, where to read and write, and what the caller may do. */
export const cacheInfoSchema = z.object({
  service: z.literal('artifact-cache'),
  version: z.string(),
  /** Where clients pull, when the configuration says. */
  'pull-url': z.string().optional(),
  /** Where clients push over ssh, `ssh://user@host:port/path`, when the configuration says. */
  'push-url': z.string().optional(),
  /** Who the server takes the caller for. */
  principal: z.string(),
  grants: z.array(z.object({ namespace: z.string(), right: z.enum(['read', 'write', 'admin']) })),
  /** Most blobs in one question. */
  'max-batch': z.number().int().positive(),
  /** Largest body, 0 when there is no limit. */
  'max-blob-bytes': z.number().int().nonnegative(),
});
export type CacheInfo = z.infer<typeof cacheInfoSchema>;

/** `POST /v1/namespaces/{namespace}/missing`. */
export const cacheMissingRequestSchema = z.strictObject({ blobs: z.array(cacheBlobSchema).max(10_000) });
export type CacheMissingRequest = z.infer<typeof cacheMissingRequestSchema>;

/** Its answer: those that the namespace lacks. The others are leased: they stay for long enough to publish a name. */
export const cacheMissingResponseSchema = z.object({ missing: z.array(cacheBlobSchema) });
export type CacheMissingResponse = z.infer<typeof cacheMissingResponseSchema>;

/** `POST /v1/namespaces/{namespace}/entries`: sets all names to one value, or none. */
export const cachePublishRequestSchema = z.strictObject({
  keys: z.array(z.string().min(1).max(1024)).min(1).max(16),
  value: cacheBlobSchema,
  references: z.array(cacheBlobSchema).max(100_000).default([]),
  metadata: z.record(z.string(), z.unknown()).default({}),
  overwrite: z.enum(['first-wins', 'last-wins']).optional(),
});
export type CachePublishRequest = z.input<typeof cachePublishRequestSchema>;

/** Its answer; `exists` comes with status 409. */
export const cachePublishResponseSchema = z.object({ outcome: z.enum(['created', 'unchanged', 'replaced', 'exists']) });
export type CachePublishResponse = z.infer<typeof cachePublishResponseSchema>;

/** `GET /v1/namespaces/{namespace}/entries/{key}`; the key is percent-encoded. */
export const cacheEntrySchema = z.object({
  namespace: z.string(),
  key: z.string(),
  value: cacheBlobSchema,
  references: z.array(cacheBlobSchema),
  metadata: z.record(z.string(), z.unknown()),
  writer: z.string(),
  'created-at': z.string(),
  'used-at': z.string(),
  pinned: z.boolean(),
});
export type CacheEntryDocument = z.infer<typeof cacheEntrySchema>;

/** `GET /v1/namespaces/{namespace}/entries?prefix=&after=&limit=`. */
export const cacheListSchema = z.object({ entries: z.array(cacheEntrySchema), next: z.string().optional() });
export type CacheList = z.infer<typeof cacheListSchema>;

/** `POST /v1/namespaces/{namespace}/uploads`: begins an upload that can be resumed. */
export const cacheUploadRequestSchema = cacheBlobSchema;
/** Its answer (201, `Location` names the upload): bytes are sent with PATCH and `Upload-Offset`; HEAD tells where to go on. */
export const cacheUploadResponseSchema = z.object({ id: z.string(), offset: z.number().int().nonnegative() });
export type CacheUploadResponse = z.infer<typeof cacheUploadResponseSchema>;

/** Every refusal: a stable code, what was found and wanted, and the next step. */
export const cacheErrorSchema = z.object({ error: z.string(), message: z.string(), hint: z.string().optional() });
export type CacheError = z.infer<typeof cacheErrorSchema>;
