import { type ArtifactView, type Digest, isBodyDigestAlgorithm } from '@waybill/contracts';

/** Bytes that can be asked for their digests. */
export type Digestible = Pick<ArtifactView, 'digest'>;

/** Whether the bytes have the digest. One that they were not hashed with is computed now, never taken for a match. */
export async function hasDigest(bytes: Digestible, { algorithm, hex }: Digest): Promise<boolean> {
  return isBodyDigestAlgorithm(algorithm) && (await bytes.digest(algorithm)) === hex;
}

/** What came in place of a wanted digest, as text: in the same algorithm, so that a person can compare the two. */
export async function foundInstead(bytes: Digestible, { algorithm }: Digest): Promise<string> {
  return `${algorithm}:${isBodyDigestAlgorithm(algorithm) ? await bytes.digest(algorithm) : 'not computed'}`;
}

/** The bytes with Content-Encoding removed. */
export async function decodedDigests(artifact: Pick<ArtifactView, 'decoded'>): Promise<Digestible> {
  const { digests } = await artifact.decoded();
  return { digest: async (algorithm) => digests[algorithm] };
}
