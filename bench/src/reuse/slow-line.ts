import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface LineOptions {
  /** Port on loopback that it leads to. */
  readonly port: number;
  /** Milliseconds there and back. */
  readonly roundTripMs: number;
  /** Towards the client, all connections together. */
  readonly megabits: number;
}

export interface Line {
  readonly port: number;
  close(): Promise<void>;
}

/** Bytes that travel together: small enough that connections share the line evenly. */
const packetBytes = 16 * 1024;
/** Bytes underway in one direction of one connection before its sender has to wait. */
const windowBytes = 1024 * 1024;

/**
 * A line that is slow: a TCP relay on which connecting takes a round trip and data half of one each way, and all that comes
 * towards the client shares its bandwidth. It has no slow start and loses nothing, which is kind to whoever opens many
 * connections.
 */
export async function openSlowLine({ port, roundTripMs, megabits }: LineOptions): Promise<Line> {
  const sockets = new Set<Socket>();
  const bandwidth = { bytesPerMs: (megabits * 1e6) / 8 / 1000, freeAtMs: 0 };
  const server = createServer({ noDelay: true, pauseOnConnect: true }, (near) => {
    keep(near);
    setTimeout(() => {
      if (near.destroyed) return;
      const far = keep(connect({ host: '127.0.0.1', port, noDelay: true }));
      relay(near, far, roundTripMs / 2);
      relay(far, near, roundTripMs / 2, bandwidth);
      near.resume();
    }, roundTripMs);
  });

  function keep(socket: Socket): Socket {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    return socket;
  }

  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

interface Bandwidth {
  readonly bytesPerMs: number;
  freeAtMs: number;
}

function relay(from: Socket, to: Socket, delayMs: number, bandwidth?: Bandwidth): void {
  /** What is underway, and when it arrives; `undefined` is the end. */
  const underway: (readonly [arrivesMs: number, packet: Buffer | undefined])[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  function arrive(): void {
    timer = undefined;
    for (let next = underway[0]; next && next[0] <= performance.now() + 0.5; next = underway[0]) {
      underway.shift();
      const [, packet] = next;
      if (!packet) to.end();
      else {
        bytes -= packet.length;
        to.write(packet);
      }
    }
    if (bytes < windowBytes / 2) from.resume();
    wait();
  }

  function wait(): void {
    const [next] = underway;
    if (next && !timer) timer = setTimeout(arrive, Math.max(0, next[0] - performance.now()));
  }

  from.on('data', (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; at += packetBytes) {
      const packet = chunk.subarray(at, at + packetBytes);
      let leavesMs = performance.now();
      if (bandwidth) {
        leavesMs = Math.max(bandwidth.freeAtMs, leavesMs) + packet.length / bandwidth.bytesPerMs;
        bandwidth.freeAtMs = leavesMs;
      }
      underway.push([leavesMs + delayMs, packet]);
      bytes += packet.length;
    }
    if (bytes > windowBytes) from.pause();
    wait();
  });
  from.on('end', () => {
    underway.push([performance.now() + delayMs, undefined]);
    wait();
  });
  from.on('close', () => {
    if (underway.length === 0) to.destroy();
  });
}
