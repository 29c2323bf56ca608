import type { FastifyRequest } from 'fastify';
import type { ZodType } from 'zod';
import { ArtifactCacheError } from '../errors.js';
import { readBody } from '../protocols/receive-body.js';

/** An entry with a hundred thousand references has 11 MiB. */
const maxDocumentBytes = 16 * 1024 ** 2;

/** The body of a request as a document. @throws ArtifactCacheError SERVER_REQUEST_INVALID */
export async function jsonOf<Document>(request: FastifyRequest, schema: ZodType<Document>): Promise<Document> {
  const text = (await readBody(request, maxDocumentBytes)).toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalid('the body is no JSON');
  }
  return checkedValue(value, schema, 'body');
}

/** Path parameters and queries. @throws ArtifactCacheError SERVER_REQUEST_INVALID */
export function checkedValue<Value>(value: unknown, schema: ZodType<Value>, what: string): Value {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const place = [what, ...(issue?.path ?? [])].map(String).join('.').slice(0, 200);
  throw invalid(`${place}: ${issue?.message ?? 'not as it should be'}`);
}

export function invalid(message: string): ArtifactCacheError {
  return new ArtifactCacheError('SERVER_REQUEST_INVALID', message, { hint: 'docs/artifact-cache/api.md has the form' });
}
