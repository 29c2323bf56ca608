import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import type { ArtifactView, BodyDigestAlgorithm, BodyDigests, RequestView } from '@waybill/contracts';
import type { UpstreamAnswer } from './answer.js';
import { decodeContent } from './http/content-coding.js';
import type { SpooledBody } from './spooled-body.js';

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
  const { size } = body;
  const { contentEncoding } = answer;
  const maxBytes = Math.max(leastExpansion, size * expansionFactor);
  const open = () => decodeContent(body.open(), contentEncoding, maxBytes);
  let { digests } = body;
  let missing: Promise<string> | undefined;
  let decoded: Promise<{ digests: Required<BodyDigests>; size: number }> | undefined;
  async function digest(algorithm: BodyDigestAlgorithm): Promise<string> {
    const known = digests[algorithm];
    if (known !== undefined) return known;
    missing ??= hashSha512(body.open());
    const sha512 = await missing;
    digests = { ...digests, sha512 };
    return sha512;
  }
  async function plain() {
    return { digests: { ...digests, sha512: await digest('sha512') }, size };
  }
  return {
    request,
    status: answer.status,
    responseHeaders: answer.headers,
    get digests() {
      return digests;
    },
    digest,
    size,
    mediaType: answer.mediaType,
    contentEncoding,
    head: contentEncoding === undefined ? body.small : undefined,
    open,
    openRaw: (range) => body.open(range),
    decoded() {
      decoded ??= contentEncoding === undefined ? plain() : hashAll(open());
      return decoded;
    },
  };
}

async function hashSha512(stream: Readable): Promise<string> {
  const hash = createHash('sha512');
  for await (const chunk of stream as AsyncIterable<Buffer>) hash.update(chunk);
  return hash.digest('hex');
}

async function hashAll(stream: Readable): Promise<{ digests: Required<BodyDigests>; size: number }> {
  const hashes = { sha1: createHash('sha1'), sha256: createHash('sha256'), sha512: createHash('sha512') };
  let size = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    size += chunk.length;
    for (const hash of Object.values(hashes)) hash.update(chunk);
  }
  const { sha1, sha256, sha512 } = hashes;
  return { size, digests: { sha1: sha1.digest('hex'), sha256: sha256.digest('hex'), sha512: sha512.digest('hex') } };
}
