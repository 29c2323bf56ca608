import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createThrowawayCa } from '@waybill/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resetSocket } from './reset-socket.js';
import { acceptTls } from './tunnel-tls.js';

const server = createServer();
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(() => void server.close());

/** A client, the socket below its TLS, and the TLS on top. */
async function tunnel(): Promise<{ client: TLSSocket; socket: Socket; tls: TLSSocket }> {
  const { port } = server.address() as { port: number };
  const context = await (await createThrowawayCa()).contextFor('files.example');
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const client = connectTls({ socket: connect(port, '127.0.0.1'), rejectUnauthorized: false });
  client.on('error', () => undefined);
  const [socket] = await accepted;
  socket.on('error', () => undefined);
  const handshake = await acceptTls(socket, { context, timeoutMs: 5_000 });
  if (handshake.kind !== 'done') throw new Error(`the handshake ended as ${handshake.kind}`);
  return { client, socket, tls: handshake.socket };
}

describe('resetSocket', () => {
  it.each<[string, (tls: TLSSocket) => unknown]>([
    ['open', () => undefined],
    ['about to be ended', (tls) => tls.end()],
    ['ended', (tls) => once(tls.end(), 'finish')],
    ['destroyed', (tls) => tls.destroy()],
  ])('closes a socket below TLS that is %s, whoever asks for it', async (_name, prepare) => {
    const { client, socket, tls } = await tunnel();
    try {
      await prepare(tls);
      const closed = socket.closed ? undefined : once(socket, 'close');
      // As whoever watches the session does: it knew the socket before there was TLS on it.
      resetSocket(socket);
      await closed;
      expect(socket.closed).toBe(true);
    } finally {
      client.destroy();
    }
  });
});
