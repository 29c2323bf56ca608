// Runs as a thread of its own, from dist and (types stripped by Node) from source: it may import Node's modules only.
import { rmSync, writeFileSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { FileReply, FileRequest } from './file-thread.js';

const port = parentPort;
if (!port) throw new Error('file-worker runs only as a worker thread');

port.on('message', (request: FileRequest) => {
  try {
    if (request.type === 'remove') rmSync(request.path, { recursive: true, force: true });
    else for (const { path, text } of request.files) writeFileSync(path, text, { mode: request.mode, flag: 'wx' });
    port.postMessage({ id: request.id } satisfies FileReply);
  } catch (cause) {
    const { message, code } = cause as NodeJS.ErrnoException;
    port.postMessage({ id: request.id, error: { message, code } } satisfies FileReply);
  }
});
