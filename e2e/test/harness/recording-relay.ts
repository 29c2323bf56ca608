import { once } from 'node:events';
import { createServer, request } from 'node:http';

/** Stands between clients and a server, passes everything on, and notes what is asked. */
export interface RecordingRelay {
  readonly origin: string;
  /** `METHOD path status`, in the order of the answers. */
  readonly seen: readonly string[];
  close(): Promise<void>;
}

export async function startRecordingRelay(target: string): Promise<RecordingRelay> {
  const { hostname, port } = new URL(target);
  const seen: string[] = [];
  const server = createServer((incoming, answer) => {
    const { method, url, headers } = incoming;
    const onward = request({ hostname, port, method, path: url, headers }, (response) => {
      seen.push(`${method} ${url} ${response.statusCode}`);
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    onward.once('error', () => answer.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    origin: `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`,
    seen,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
