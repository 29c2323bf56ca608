import {
  type Digest,
  type InspectionContext,
  type JsonObject,
  parseIntegrity,
  type VouchLink,
} from '@waybill/contracts';
import type { Registry } from './registries.js';
import {
  checkSignatures,
  isSignatureFormat,
  keysBytes,
  keysPath,
  keysScope,
  parseKeys,
  type RegistryKey,
  readSignedDist,
} from './signatures.js';
import type { Voucher } from './tarball-vouchers.js';

/** What a version's signatures add to its verdict. */
export interface SignatureJudgement {
  /** Why the tarball is refused for them. */
  readonly fault?: string | undefined;
  readonly hint?: string | undefined;
  readonly vouchedBy: readonly VouchLink[];
  readonly annotations: JsonObject;
}

const changed = 'its document was changed after publishing: tell whoever runs the registry or mirror';
const nothing: SignatureJudgement = { vouchedBy: [], annotations: {} };

/**
 * Judges the signatures that a document gives a version. What a lock file of the configuration pins needs none: the project trusts
 * those very bytes.
 */
export async function judgeSignature(
  { listed, link, registry, open }: Voucher,
  matched: Digest,
  context: InspectionContext,
): Promise<SignatureJudgement> {
  if (registry.signatures === 'off' || link.kind !== 'artifact' || !open) return nothing;
  const subject = `${listed.name}@${listed.version}`;
  try {
    const keys = await keysOf(registry, context);
    const stream = open();
    const dist = await readSignedDist(stream, listed.version).finally(() => stream.destroy());
    const verdict = checkSignatures(listed, dist, keys);
    const signed = parseIntegrity(dist.integrity ?? '');
    // What is signed must be what was compared, wherever in the document it stands.
    const isOther = !signed.some(({ algorithm, hex }) => algorithm === matched.algorithm && hex === matched.hex);
    if (verdict.kind === 'signed' && isOther) {
      return fault(`the document of ${subject} lists other bytes than it has a signature for`, changed);
    }
    if (verdict.kind === 'signed') {
      const { id, expires } = verdict.key;
      const isExpired = expires !== undefined && expires.getTime() < context.now.getTime();
      return {
        vouchedBy: [{ kind: 'key', id, name: `signing key of ${registry.host}` }],
        annotations: { 'signature-key': id, ...(isExpired && { 'signature-key-expired': true }) },
      };
    }
    if (verdict.kind === 'forged') {
      return fault(`the signature of ${subject} is not that of the key ${verdict.keyid}`, changed);
    }
    if (registry.signatures === 'verify') return { ...nothing, annotations: { signature: 'none by a known key' } };
    const by = verdict.keyids.length > 0 ? `it is signed by ${verdict.keyids.join(', ')}` : 'it has no signature';
    return fault(
      `${subject} has no signature by a key of ${registry.id}: ${by}`,
      `add the key to ${registry.id}.keys, or set signatures: verify for it`,
    );
  } catch (error) {
    if (!isSignatureFormat(error)) throw error;
    return fault(`the signatures of ${subject} cannot be checked: ${error.message}`, `correct ${registry.id}.keys`);
  }
}

function fault(text: string, hint: string): SignatureJudgement {
  return { ...nothing, fault: text, hint };
}

/** Configured keys, else those that the session knows from the registry, else those that it lists now. */
async function keysOf(registry: Registry, context: InspectionContext): Promise<readonly RegistryKey[]> {
  if (registry.keys.length > 0) return registry.keys;
  const known = (await context.catalogs<readonly RegistryKey[]>(keysScope(registry))).at(-1);
  if (known) return known.value;
  const bytes = await context.companion(new URL(keysPath, registry.url), keysBytes);
  return bytes ? parseKeys(bytes) : [];
}
