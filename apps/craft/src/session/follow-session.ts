import { Agent, request } from 'node:http';
import { safeLine } from '../output/safe-line.js';
import type { ControlEndpoint } from './control-request.js';

/** What a session tells while it is live. */
export interface SessionEvent {
  readonly kind: 'download' | 'response' | 'refusal' | 'failure';
  readonly url: string;
  readonly size: number;
  readonly reason: string;
  readonly delivered: boolean;
}

const maxEventBytes = 1 << 18;

/**
 * Follows a session's events until it ends or the signal aborts. Only for the screen: whatever fails here ends the following
 * and nothing else, because the report has everything.
 */
export function followSession(
  endpoint: ControlEndpoint,
  id: string,
  onEvent: (event: SessionEvent) => void,
  signal: AbortSignal,
): void {
  const outgoing = request(new URL(`/session/${encodeURIComponent(id)}/events`, endpoint.url), {
    agent: new Agent({ keepAlive: false }),
    headers: { authorization: `Basic ${Buffer.from(endpoint.auth).toString('base64')}`, accept: 'text/event-stream' },
    signal,
  });
  outgoing.on('error', () => {});
  outgoing.on('response', (response) => {
    response.on('error', () => {});
    if (response.statusCode !== 200) return response.destroy();
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const blocks = (rest + chunk).split('\n\n');
      rest = blocks.pop() ?? '';
      if (rest.length > maxEventBytes) response.destroy();
      for (const block of blocks) {
        const event = parseEvent(block);
        if (event) onEvent(event);
      }
    });
    return undefined;
  });
  outgoing.end();
}

/** One block of a server-sent event stream; `undefined` for comments and kinds that are none of ours. */
export function parseEvent(block: string): SessionEvent | undefined {
  const lines = block.split('\n');
  const kind = lines.find((line) => line.startsWith('event: '))?.slice(7);
  const data = lines.filter((line) => line.startsWith('data: ')).map((line) => line.slice(6));
  if (kind !== 'download' && kind !== 'response' && kind !== 'refusal' && kind !== 'failure') return undefined;
  try {
    const value = JSON.parse(data.join('\n')) as Record<string, unknown>;
    return {
      kind,
      url: safeLine(String(value.url ?? '')),
      size: typeof value.size === 'number' ? value.size : 0,
      reason: safeLine(String(value.reason ?? '')),
      delivered: value.delivered === true,
    };
  } catch {
    return undefined;
  }
}
