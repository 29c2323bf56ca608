import { hash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { BlobInfo, BlobStore, BlobWriterOptions, BodyDigests } from '@waybill/contracts';
import { expect } from 'vitest';

export function digestsOf(body: Uint8Array): Required<BodyDigests> {
  return { sha1: hash('sha1', body), sha256: hash('sha256', body), sha512: hash('sha512', body) };
}

/** Without sha512. */
export function plainDigestsOf(body: Uint8Array): BodyDigests {
  return { sha1: hash('sha1', body), sha256: hash('sha256', body) };
}

/** Stores a body in chunks of 64 KiB. */
export async function put(store: BlobStore, body: Buffer, options: BlobWriterOptions = {}): Promise<BlobInfo> {
  const writer = store.create(options);
  for (let at = 0; at < body.length; at += 65_536) await writer.write(body.subarray(at, at + 65_536));
  return await writer.commit();
}

export async function collect(stream: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

export async function expectStored(
  store: BlobStore,
  body: Buffer,
): Promise<{ readonly digests: Required<BodyDigests> }> {
  const digests = digestsOf(body);
  const found = await collect(store.open(digests.sha256));
  expect(found.length).toBe(body.length);
  expect(found.equals(body)).toBe(true);
  return { digests };
}

export async function expectCode(attempt: Promise<unknown>, code: string): Promise<void> {
  await expect(attempt).rejects.toThrow(expect.objectContaining({ code }));
}

/** All names, sorted. */
export async function names(store: BlobStore): Promise<string[]> {
  const found: string[] = [];
  for await (const name of store.list()) found.push(name);
  return found.sort();
}
