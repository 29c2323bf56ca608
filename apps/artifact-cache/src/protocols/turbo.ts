import type { CacheEntry, CacheNamespace } from '@waybill/cache-store';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { Counter } from 'prom-client';
import { z } from 'zod';
import { admit, writerOfRequest } from '../http/caller.js';
import { leaveBodiesUnread } from '../http/stream-body.js';
import type { Serving } from '../serving/serving.js';
import { defaultNamespace } from './prefixed-path.js';
import { readBody, receiveBody } from './receive-body.js';
import { RequestError } from './request-error.js';
import { sendBlob } from './send-blob.js';
import { addTurboErrors } from './turbo-errors.js';
import { readTurboHeaders, turboMetadataSchema, writeTurboHeaders } from './turbo-headers.js';

/** Most hashes in one question; turbo asks one by one, other clients in dozens. */
const mostHashes = 1_000;
const querySchema = z.object({ hashes: z.array(z.string()).max(mostHashes) });
const eventsSchema = z
  .array(
    z.object({
      source: z.enum(['LOCAL', 'REMOTE']),
      event: z.enum(['HIT', 'MISS']),
      hash: z.string(),
      duration: z.number().nonnegative().optional(),
    }),
  )
  .max(100_000);

/**
 * Turborepo's remote cache, `/v8/artifacts`. The team (`slug`, `team` or `teamId`) is the namespace. Signatures are opaque: a tag is
 * stored with its artifact in one step and given back unchanged. specs/artifact-cache.md §5.1
 * @see https://turborepo.dev/docs/openapi
 */
export function registerTurbo(app: FastifyInstance, serving: Serving): void {
  leaveBodiesUnread(app);
  addTurboErrors(app, serving);
  const countEvents = createEventCounter(serving);

  app.get('/v8/artifacts/status', async (request) => {
    await admit(serving, request, teamOf(request), 'read');
    return { status: 'enabled' };
  });

  app.route<{ Params: { hash: string } }>({
    method: ['GET', 'HEAD'],
    url: '/v8/artifacts/:hash',
    handler: async (request, reply) => {
      const namespace = await open(serving, request, 'read');
      const { metrics } = serving;
      const entry = await namespace.lookup('turbo', [checkedHash(request.params.hash)]);
      if (entry) writeTurboHeaders(reply, turboMetadataSchema.parse(entry.metadata));
      const sending = { namespace, metrics, protocol: 'turbo' } as const;
      if (entry && (await sendBlob(request, reply, { ...sending, blob: entry.value }))) return reply;
      metrics.miss('turbo', namespace.name);
      throw new RequestError(404, 'there is no artifact with this hash');
    },
  });

  app.put<{ Params: { hash: string } }>('/v8/artifacts/:hash', async (request, reply) => {
    const hash = checkedHash(request.params.hash);
    const metadata = readTurboHeaders(request.headers);
    const team = teamOf(request);
    const caller = await admit(serving, request, team, 'write');
    const namespace = serving.store.namespace(team);
    const writer = writerOfRequest(request, caller);
    const value = await receiveBody(request, { namespace, writer, maxBytes: serving.limits.maxBlobBytes });
    serving.metrics.received('turbo', team, value.size);
    // A hash that is taken keeps its value: to the client that is as good as stored.
    const outcome = await namespace.publish({ kind: 'turbo', keys: [hash], value, metadata }, writer);
    return reply.code(outcome === 'created' ? 202 : 200).send({ urls: [`/v8/artifacts/${hash}`] });
  });

  app.post('/v8/artifacts', async (request) => {
    const namespace = await open(serving, request, 'read');
    const { hashes } = await readJson(request, serving.limits.maxMessageBytes, querySchema);
    return Object.fromEntries(await Promise.all(hashes.map(async (hash) => [hash, await describe(namespace, hash)])));
  });

  app.post('/v8/artifacts/events', async (request, reply) => {
    await admit(serving, request, teamOf(request), 'read');
    countEvents(await readJson(request, serving.limits.maxMessageBytes, eventsSchema));
    return reply.code(200).send({});
  });

  for (const url of ['/v8/artifacts', '/v8/artifacts/:hash']) app.options(url, (_request, reply) => allow(reply));
}

/**
 * The answer to `--preflight`: without `Authorization` in the list, turbo leaves the token out of the real request. There is no
 * allowed origin: pages in browsers are not clients.
 */
function allow(reply: FastifyReply): FastifyReply {
  return reply
    .code(204)
    .header('access-control-allow-methods', 'GET, HEAD, PUT, POST, OPTIONS')
    .header(
      'access-control-allow-headers',
      'Authorization, Content-Type, Content-Length, User-Agent, x-artifact-duration, x-artifact-tag, x-artifact-sha, x-artifact-dirty-hash, x-artifact-client-ci, x-artifact-client-interactive',
    )
    .send();
}

/** The namespace that the query names. */
function teamOf(request: FastifyRequest): string {
  const { slug, team, teamId } = request.query as Record<string, unknown>;
  const named = [slug, team, teamId].find((value) => value !== undefined && value !== '');
  if (named === undefined) return defaultNamespace;
  if (typeof named !== 'string') throw new RequestError(400, 'one team, not several');
  return named;
}

async function open(serving: Serving, request: FastifyRequest, right: 'read' | 'write'): Promise<CacheNamespace> {
  const team = teamOf(request);
  await admit(serving, request, team, right);
  return serving.store.namespace(team);
}

function isHash(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,128}$/.test(text);
}

function checkedHash(text: string): string {
  if (!isHash(text)) throw new RequestError(400, 'this is no hash of a task');
  return text;
}

async function describe(namespace: CacheNamespace, hash: string) {
  if (!isHash(hash)) return { error: { message: 'this is no hash of a task' } };
  const entry: CacheEntry | undefined = await namespace.lookup('turbo', [hash]);
  if (!entry) return null;
  const { duration, tag } = turboMetadataSchema.parse(entry.metadata);
  return { size: entry.value.size, taskDurationMs: duration ?? 0, ...(tag === undefined ? {} : { tag }) };
}

async function readJson<Schema extends z.ZodType>(
  request: FastifyRequest,
  maxBytes: number,
  schema: Schema,
): Promise<z.output<Schema>> {
  const body = await readBody(request, maxBytes);
  let document: unknown;
  try {
    document = JSON.parse(body.toString('utf8'));
  } catch {
    throw new RequestError(400, 'the body is not JSON');
  }
  const checked = schema.safeParse(document);
  if (!checked.success) throw new RequestError(400, z.prettifyError(checked.error));
  return checked.data;
}

/** What clients say of their hits and misses, local ones too: the rate that people look at. */
function createEventCounter({ metrics }: Serving): (events: z.output<typeof eventsSchema>) => void {
  const registers = [metrics.registry];
  const events = new Counter({
    name: 'artifact_cache_turbo_events_total',
    help: 'Hits and misses that Turborepo clients report, in their own cache (local) and in this one (remote)',
    labelNames: ['source', 'event'],
    registers,
  });
  const saved = new Counter({
    name: 'artifact_cache_turbo_saved_seconds_total',
    help: 'Run time of the tasks that Turborepo clients report as hits',
    labelNames: ['source'],
    registers,
  });
  return (reported) => {
    for (const { source, event, duration = 0 } of reported) {
      events.inc({ source: source.toLowerCase(), event: event.toLowerCase() });
      if (event === 'HIT') saved.inc({ source: source.toLowerCase() }, duration / 1000);
    }
  };
}
