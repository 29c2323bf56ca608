import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** What becomes of packets: on their way, kept for ever, or answers lost with the connection once something was asked. */
export type RelayMode = 'pass' | 'swallow' | 'lose-answer';

/** A relay before a server, with a network in between that can be made to fail. */
export interface TcpRelay {
  readonly port: number;
  mode: RelayMode;
  /** Answers that were lost. */
  readonly lost: number;
  close(): Promise<void>;
}

export async function startTcpRelay(target: { readonly host: string; readonly port: number }): Promise<TcpRelay> {
  const sockets = new Set<Socket>();
  const state = { mode: 'pass' as RelayMode, lost: 0 };
  const server = createServer((client) => {
    const upstream = connect(target);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => sockets.delete(socket));
    }
    client.on('data', (chunk) => {
      if (state.mode !== 'swallow') upstream.write(chunk);
    });
    upstream.on('data', (chunk) => {
      if (state.mode === 'pass') client.write(chunk);
      if (state.mode !== 'lose-answer') return;
      state.lost++;
      client.resetAndDestroy();
    });
    client.on('close', () => upstream.destroy());
    upstream.on('close', () => client.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return Object.assign(state, {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  });
}
