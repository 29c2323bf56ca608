import { PassThrough } from 'node:stream';
import { type ExchangeRecord, toRfc3339 } from '@waybill/contracts';
import type { FastifyInstance } from 'fastify';
import { FetchServiceError } from '../errors.js';
import { toReportRefusal } from '../report/records.js';
import type { ControlContext } from './context.js';
import { addResource, route } from './resource.js';
import { idOf } from './session.js';

const heartbeatMs = 15_000;
/** A reader that falls this far behind is let go; the report has everything. */
const maxWaitingBytes = 1 << 20;
/** Readers of one daemon at a time. */
const maxReaders = 200;

/** `GET /session/<id>/events`: server-sent events of a live session, one per durable record. Ours. */
export function addEvents(app: FastifyInstance, { sessions, events }: ControlContext): void {
  let readers = 0;
  addResource(app, '/session/:id/events', [
    route({
      method: 'GET',
      summary: 'Downloads, responses, refusals and failures of a live session as server-sent events',
      async handle(request, reply) {
        const id = idOf(request);
        const { session } = await sessions.evidence(id);
        if (session.state !== 'open') throw new FetchServiceError('FETCH_SESSION_UNKNOWN', '404 Not Found');
        if (readers >= maxReaders)
          throw new FetchServiceError('FETCH_REQUEST_INVALID', `${maxReaders} readers follow events already`);
        readers++;
        const stream = new PassThrough();
        const send = (text: string) => {
          if (stream.writableLength > maxWaitingBytes) stream.destroy();
          else if (!stream.writableEnded) stream.write(text);
        };
        const end = () => stream.end('event: end\ndata: {}\n\n');
        const unwatch = events.watch(id, { record: (record) => send(toEvent(record)), end });
        const heartbeat = setInterval(() => send(': alive\n\n'), heartbeatMs);
        stream.once('close', () => {
          readers--;
          unwatch();
          clearInterval(heartbeat);
        });
        send(': following\n\n');
        // It may have ended between the first look and the watch.
        sessions.evidence(id).then(({ session: now }) => now.state !== 'open' && end(), end);
        return reply.type('text/event-stream').header('cache-control', 'no-store').send(stream);
      },
    }),
  ]);
}

function toEvent(record: ExchangeRecord): string {
  return `event: ${record.kind}\ndata: ${JSON.stringify(toData(record))}\n\n`;
}

function toData(record: ExchangeRecord): Record<string, unknown> {
  if (record.kind !== 'download' && record.kind !== 'response') return toReportRefusal(record);
  const { method, url, statusCode, result, delivery } = record;
  const seen = { time: toRfc3339(record.endedAt), method, url, 'status-code': statusCode, result, delivery };
  if (record.kind === 'response') return { ...seen, note: record.note };
  const { sha256, size, name, version } = record.metadata;
  return { ...seen, sha256, size, name, version };
}
