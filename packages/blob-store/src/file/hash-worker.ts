// Runs as a thread of its own, from dist and (types stripped by Node) from source: it may import Node's modules only.
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { HashReply, HashRequest } from './hash-pool.js';

const port = parentPort;
if (!port) throw new Error('hash-worker runs only as a worker thread');
const jobs = new Map<number, Hash[]>();

port.on('message', (request: HashRequest) => {
  switch (request.type) {
    case 'start':
      jobs.set(
        request.id,
        request.algorithms.map((algorithm) => createHash(algorithm)),
      );
      break;
    case 'update':
      for (const hash of jobs.get(request.id) ?? []) hash.update(new Uint8Array(request.block, 0, request.length));
      port.postMessage({ type: 'block', id: request.id, block: request.block } satisfies HashReply, [request.block]);
      break;
    case 'digest': {
      const digests = (jobs.get(request.id) ?? []).map((hash) => hash.digest('hex'));
      jobs.delete(request.id);
      port.postMessage({ type: 'digests', id: request.id, digests } satisfies HashReply);
      break;
    }
    case 'drop':
      jobs.delete(request.id);
      break;
  }
});
