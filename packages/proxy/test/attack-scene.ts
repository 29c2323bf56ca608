import type { Socket } from 'node:net';
import { createThrowawayCa, type RawAnswer, type RawUpstream, startRawUpstream } from '@waybill/testkit';
import { dial, openTunnel, readAll } from './client.js';
import type { FakeSession } from './fake-session.js';
import { startTestProxy, type TestProxy } from './harness.js';

/** How a request gets to the proxy: in absolute form, or inside a tunnel in TLS. */
export type Way = 'plain' | 'in a tunnel';
export const ways: readonly Way[] = ['plain', 'in a tunnel'];

/** A client that sends what it likes, the real proxy, and an upstream that answers what it likes. */
export interface AttackScene {
  readonly at: TestProxy;
  readonly upstream: RawUpstream;
  /** `host:port` of the upstream. */
  readonly host: string;
  /** A connection on which requests are sent. */
  connect(session: FakeSession): Promise<Socket>;
  /** Fills in TARGET (`http://host:port` in plain requests, else empty), HOST, PORT and AUTH (a whole field). */
  fill(request: string, session: FakeSession): Buffer;
  /** Sends bytes on a connection of their own and reads until it is closed, or `patienceMs` after the last byte. */
  send(request: string, session: FakeSession, patienceMs?: number): Promise<string>;
  close(): Promise<void>;
}

/** What an upstream says that means well. */
export const politeAnswer: RawAnswer = (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');

let shared: ReturnType<typeof createThrowawayCa> | undefined;

export async function startAttackScene(
  way: Way,
  options: { readonly answer?: RawAnswer } & Parameters<typeof startTestProxy>[0] = {},
): Promise<AttackScene> {
  const { answer = politeAnswer, ...given } = options;
  shared ??= createThrowawayCa();
  const ca = await shared;
  const isPlain = way === 'plain';
  const upstream = await startRawUpstream(answer, isPlain ? {} : { ca });
  const at = await startTestProxy({ upstreamCa: ca, ...given });
  const host = `${upstream.host}:${upstream.port}`;
  const scene: AttackScene = {
    at,
    upstream,
    host,
    connect: (session) => (isPlain ? dial(at) : openTunnel(at, session, host)),
    fill(request, session) {
      const text = request
        .replaceAll('TARGET', isPlain ? `http://${host}` : '')
        .replaceAll('HOST', host)
        .replaceAll('PORT', String(upstream.port))
        .replaceAll('AUTH', isPlain ? `Proxy-Authorization: ${session.authorization}` : 'X-Inside: 1');
      return Buffer.from(text, 'latin1');
    },
    async send(request, session, patienceMs = 2_500) {
      const socket = await scene.connect(session);
      const rest = readAll(socket);
      let timer = setTimeout(() => socket.destroy(), patienceMs);
      socket.on('data', () => {
        clearTimeout(timer);
        timer = setTimeout(() => socket.destroy(), patienceMs);
      });
      socket.write(scene.fill(request, session));
      const { text } = await rest;
      clearTimeout(timer);
      return text;
    },
    async close() {
      await at.close();
      await upstream.close();
    },
  };
  return scene;
}

/** Status codes of all answers in a stream of them. */
export function statuses(text: string): number[] {
  return [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
}
