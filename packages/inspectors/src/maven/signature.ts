import { buffer } from 'node:stream/consumers';
import type { ArtifactView, InspectionContext, VouchLink } from '@waybill/contracts';
import { FormatProblem } from '../apt/format-problem.js';
import { fingerprintOf, nameOf } from '../apt/key-ring.js';
import { checkDetached, maxSignatureBytes } from '../apt/open-pgp.js';
import type { Located } from './repositories.js';

/** Larger files would have to be held in memory whole. */
const signedBytes = 256 * 2 ** 20;

/**
 * Checks the `.asc` beside an artifact when the repository has keys: who signed, or why that does not count. undefined when no
 * keys are configured.
 */
export async function checkSignature(
  artifact: ArtifactView,
  { repository, path }: Located,
  context: InspectionContext,
): Promise<{ readonly link: VouchLink } | { readonly fault: string } | undefined> {
  const ring = await repository.keys();
  if (!ring) return undefined;
  if (artifact.size > signedBytes)
    return { fault: `larger than ${signedBytes} bytes, too large to check its signature` };
  const signature = await context.companion(new URL(`${path}.asc`, repository.url), maxSignatureBytes);
  if (!signature)
    return { fault: `${repository.id} has keys, and there is no ${path.slice(path.lastIndexOf('/') + 1)}.asc` };
  const whole = await buffer(artifact.openRaw());
  try {
    const check = await checkDetached(whole, signature, ring, context.now);
    if (!check.valid) return { fault: `its signature does not count: ${check.reason}` };
    const [signer] = check.signers;
    if (!signer) return { fault: 'its signature does not count' };
    return { link: { kind: 'key', id: fingerprintOf(signer.key), name: nameOf(signer.key) } };
  } catch (error) {
    if (!(error instanceof FormatProblem)) throw error;
    return { fault: `its signature ${error.message}` };
  }
}
