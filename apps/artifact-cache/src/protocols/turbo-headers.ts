import type { IncomingHttpHeaders } from 'node:http';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { RequestError } from './request-error.js';

const printable = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[\x20-\x7e]*$/, 'expected printable ASCII');

/** What is kept beside an artifact of Turborepo. */
export const turboMetadataSchema = z.object({
  /** Milliseconds that the task took. */
  duration: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER).optional(),
  /** Signature, opaque. */
  tag: printable(600).optional(),
  /** Commit, and digest of what was not committed. */
  sha: printable(200).optional(),
  dirtyHash: printable(200).optional(),
});
export type TurboMetadata = z.infer<typeof turboMetadataSchema>;

/** @throws RequestError 400 */
export function readTurboHeaders(headers: IncomingHttpHeaders): TurboMetadata {
  const duration = headers['x-artifact-duration'];
  const found = turboMetadataSchema.safeParse({
    duration: duration === undefined || duration === '' ? undefined : Number(duration),
    tag: headers['x-artifact-tag'],
    sha: headers['x-artifact-sha'],
    dirtyHash: headers['x-artifact-dirty-hash'],
  });
  if (!found.success) throw new RequestError(400, `x-artifact headers: ${z.prettifyError(found.error)}`);
  const environment = headers['x-artifact-client-ci'];
  if (typeof environment === 'string' && environment.length > 50) {
    throw new RequestError(400, 'x-artifact-client-ci: more than 50 characters');
  }
  return Object.fromEntries(Object.entries(found.data).filter(([, value]) => value !== undefined));
}

/** Sets them on the answer. */
export function writeTurboHeaders(reply: FastifyReply, { duration, tag, sha, dirtyHash }: TurboMetadata): void {
  const headers = {
    'x-artifact-duration': duration,
    'x-artifact-tag': tag,
    'x-artifact-sha': sha,
    'x-artifact-dirty-hash': dirtyHash,
  };
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) reply.header(name, String(value));
}
