import type { FastifyInstance } from 'fastify';
import type { ZodType } from 'zod';
import { formatFinding } from '../config/finding.js';
import { findingsOf } from '../config/yaml-text.js';
import { FetchServiceError, messageOf } from '../errors.js';

/** Largest request body: a session's configuration with its keys fits many times over. */
export const maxBodyBytes = 8 << 20;

/**
 * Bodies are JSON whatever the content type says, a missing or broken one included: shell users send curl's form type.
 * specs/craft-client.md §1.4
 */
export function addJsonBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addHook('onRequest', async (request) => {
    request.raw.headers['content-type'] = 'application/json';
  });
  app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: maxBodyBytes }, (request, body, done) => {
    // Routes without a body take and ignore whatever comes.
    if (!request.routeOptions.schema?.body) return done(null, undefined);
    try {
      done(null, parseJson(body as string));
    } catch (cause) {
      done(cause as Error);
    }
  });
  app.setValidatorCompiler(({ schema }) => (data) => {
    const parsed = (schema as ZodType).safeParse(withoutNulls(data));
    if (parsed.success) return { value: parsed.data };
    const message = findingsOf(parsed.error)
      .slice(0, 10)
      .map((finding) => formatFinding(finding))
      .join('\n');
    return { error: new FetchServiceError('FETCH_REQUEST_INVALID', message) };
  });
}

function parseJson(body: string): unknown {
  if (body.trim() === '')
    throw new FetchServiceError('FETCH_REQUEST_INVALID', 'expected a JSON object, the body is empty');
  try {
    return JSON.parse(body);
  } catch (cause) {
    // The engine's own message quotes the body, which may hold secrets.
    const at = /position \d+|line \d+ column \d+/.exec(messageOf(cause))?.[0];
    throw new FetchServiceError('FETCH_REQUEST_INVALID', `the body is not valid JSON${at ? ` at ${at}` : ''}`);
  }
}

/** Serialisers of other languages write absent values as null. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== null));
}
