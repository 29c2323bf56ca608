import type { IncomingMessage } from 'node:http';
import { cacheErrorSchema, redactText } from '@waybill/contracts';
import type { z } from 'zod';
import { CacheClientError, type CacheClientErrorCode } from '../errors.js';
import { TransientError } from './retrying.js';
import type { HttpAnswer } from './transport.js';

/** Largest document that is read; an entry with as many references as are allowed has 10 MB. */
const maxDocumentBytes = 64 * 1024 * 1024;
const transientStatuses = new Set([408, 425, 429, 500, 502, 503, 504]);

/** The document of an answer. @throws CacheClientError CACHE_REMOTE_FAILED */
export async function documentOf<Schema extends z.ZodType>(
  answer: HttpAnswer,
  schema: Schema,
): Promise<z.output<Schema>> {
  const parsed = schema.safeParse(parse(await readText(answer.body, maxDocumentBytes)));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CacheClientError(
    'CACHE_REMOTE_FAILED',
    `the answer (status ${answer.status}) is not one of an artifact-cache: ${issue?.path.join('.') ?? ''} ${issue?.message}`,
    { hint: 'check the URL, and that nothing between answers in its place' },
  );
}

/** Turns a refusal into what is thrown: {@link TransientError} where the next try may work. */
export async function refusalOf(answer: HttpAnswer): Promise<CacheClientError | TransientError> {
  const { status } = answer;
  const text = await readText(answer.body, 64 * 1024).catch(() => '');
  const said = cacheErrorSchema.safeParse(parse(text));
  const detail = said.success ? `${said.data.error}: ${said.data.message}` : text.slice(0, 200);
  const hint = (said.success ? said.data.hint : undefined) ?? hintFor(status);
  const error = new CacheClientError(codeFor(status), redactText(`status ${status}${detail ? `, ${detail}` : ''}`), {
    ...(hint && { hint: redactText(hint) }),
  });
  if (!transientStatuses.has(status)) return error;
  const seconds = Number(answer.headers['retry-after']);
  return new TransientError(error, Number.isFinite(seconds) ? seconds * 1000 : undefined);
}

/** Reads what is left, so that the connection can be used again. */
export async function drain(answer: HttpAnswer): Promise<void> {
  await readText(answer.body, 1024 * 1024).catch(() => undefined);
}

async function readText(body: IncomingMessage, atMost: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > atMost)
        throw new CacheClientError('CACHE_REMOTE_FAILED', `the answer is longer than ${atMost} bytes`);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CacheClientError) throw error;
    throw new TransientError(
      new CacheClientError('CACHE_REMOTE_UNREACHABLE', 'the connection broke in the middle of an answer', {
        cause: error,
      }),
    );
  }
  return Buffer.concat(chunks).toString('utf8');
}

function codeFor(status: number): CacheClientErrorCode {
  if (status === 401 || status === 403) return 'CACHE_REMOTE_REFUSED';
  return status === 413 || status === 507 ? 'CACHE_REMOTE_FULL' : 'CACHE_REMOTE_FAILED';
}

function hintFor(status: number): string | undefined {
  if (status === 401) return 'check the access-token of this remote';
  return status === 403 ? 'ask the owner of the cache for the right, or take push out of the configuration' : undefined;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
