import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import type { ArtifactView, BlobStore, BodyDigests, ByteRange, RequestView } from '@waybill/contracts';
import type { UpstreamAnswer } from './answer.js';
import { decodeContent } from './http/content-coding.js';

/** A body that lies in the blob store whole, hashed. */
export interface SpooledBody {
  readonly digests: BodyDigests;
  readonly size: number;
  /** The bytes, when there are few enough to keep. */
  readonly small: Buffer | undefined;
  /** The bytes, or a part of them. The caller consumes or destroys the stream. */
  open(range?: ByteRange): Readable;
}

/** What a body lies in. */
export interface SpooledBodyOptions {
  readonly blobs: Pick<BlobStore, 'open'>;
  readonly digests: BodyDigests;
  readonly size: number;
  readonly small: Buffer | undefined;
}

export function spooledBody({ blobs, digests, size, small }: SpooledBodyOptions): SpooledBody {
  return {
    digests,
    size,
    small,
    open(range) {
      if (!small) return blobs.open(digests.sha256, range);
      return Readable.from([range ? small.subarray(range.start, range.end + 1) : small], { objectMode: false });
    },
  };
}

/** Smallest bound on the decoded form, so that tiny well-packed bodies are never refused for their ratio. */
const leastExpansion = 16 * 1024 * 1024;

/** The body as inspectors see it. */
export function artifactView(
  body: SpooledBody,
  {
    request,
    answer,
    expansionFactor,
  }: {
    readonly request: RequestView;
    readonly answer: UpstreamAnswer;
    readonly expansionFactor: number;
  },
): ArtifactView {
  const { digests, size } = body;
  const { contentEncoding } = answer;
  const maxBytes = Math.max(leastExpansion, size * expansionFactor);
  const open = () => decodeContent(body.open(), contentEncoding, maxBytes);
  let decoded: Promise<{ digests: BodyDigests; size: number }> | undefined;
  return {
    request,
    status: answer.status,
    responseHeaders: answer.headers,
    digests,
    size,
    mediaType: answer.mediaType,
    contentEncoding,
    open,
    openRaw: () => body.open(),
    decoded() {
      decoded ??= contentEncoding === undefined ? Promise.resolve({ digests, size }) : hashAll(open());
      return decoded;
    },
  };
}

async function hashAll(stream: Readable): Promise<{ digests: BodyDigests; size: number }> {
  const hashes = { sha1: createHash('sha1'), sha256: createHash('sha256'), sha512: createHash('sha512') };
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    for (const hash of Object.values(hashes)) hash.update(chunk);
  }
  const { sha1, sha256, sha512 } = hashes;
  return { size, digests: { sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') } };
}
