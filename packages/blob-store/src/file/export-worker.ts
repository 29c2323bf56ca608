// Runs as a thread of its own, from dist and (types stripped by Node) from source: it may import Node's modules only.
import { hash } from 'node:crypto';
import { closeSync, linkSync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { parentPort } from 'node:worker_threads';
import type { ExportBatch, ExportOrder, ExportOutcome } from './export-thread.js';

const port = parentPort;
if (!port) throw new Error('export-worker runs only as a worker thread');

port.on('message', ({ id, orders }: ExportBatch) => {
  const segments = new Map<string, number>();
  const failed: number[] = [];
  orders.forEach((order, at) => {
    try {
      if (order.offset === undefined) linkSync(order.from, order.to);
      else writeNew(order.to, readVerified(order, segments));
    } catch {
      // Whoever asked tries it in the ordinary way, and learns why.
      failed.push(at);
    }
  });
  for (const descriptor of segments.values()) closeSync(descriptor);
  port.postMessage({ id, failed } satisfies ExportOutcome);
});

function readVerified({ from, offset = 0, size, name }: ExportOrder, segments: Map<string, number>): Buffer {
  const descriptor = segments.get(from) ?? openSync(from, 'r');
  segments.set(from, descriptor);
  const body = Buffer.allocUnsafe(size);
  for (let filled = 0; filled < size; ) {
    const read = readSync(descriptor, body, filled, size - filled, offset + filled);
    if (read === 0) throw new Error('the segment ends');
    filled += read;
  }
  if (hash('sha256', body) !== name) throw new Error('the bytes are others');
  return body;
}

/** A whole file or none. */
function writeNew(path: string, body: Buffer): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    for (let written = 0; written < body.length; ) written += writeSync(descriptor, body, written);
  } catch (error) {
    unlinkSync(path);
    throw error;
  } finally {
    closeSync(descriptor);
  }
}
