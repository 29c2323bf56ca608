import {
  type CleartextMessage,
  createMessage,
  type Message,
  type PublicKey,
  readCleartextMessage,
  readSignature,
  type Signature,
  verify,
} from 'openpgp';
import { decodeUtf8 } from './deb822.js';
import { FormatProblem, messageOf } from './format-problem.js';
import { fingerprintOf, type KeyRing } from './key-ring.js';

/** How far clocks may be apart: signers, mirrors and this machine. */
export const clockSkewMs = 5 * 60_000;

/** Which key made a signature that counts. */
export interface Signer {
  readonly key: PublicKey;
  /** Upper-case hex fingerprint of the key or subkey that signed. */
  readonly signingKey: string;
  readonly signedAt: Date;
}

export type SignatureCheck =
  | { readonly valid: true; readonly signers: readonly Signer[] }
  | { readonly valid: false; readonly reason: string };

/** More signatures than this are not looked at: releases carry two or three. */
const maxSignatures = 32;
/** Signatures have a few hundred bytes per key. */
export const maxSignatureBytes = 64 * 1024;
const signatureEnd = '-----END PGP SIGNATURE-----';
/** The library takes microseconds per line, on the event loop; the longest known releases have 4 000 lines. */
const maxLines = 20_000;

const config = {
  // Copies of a key are often shipped with their newest self-signature only, made after the index was signed. The key must
  // be valid now in any case (see `checkOne`), which is what gpgv asks for.
  allowInsecureVerificationWithReformattedKeys: true,
};

/**
 * The text of a clearsigned file (as signed: line ends `\n`, no trailing blanks) and its signatures.
 * @throws FormatProblem unless the file is one clearsigned message and nothing else
 */
export async function readClearsigned(bytes: Uint8Array): Promise<{ message: CleartextMessage; text: string }> {
  const file = decodeUtf8(bytes).replaceAll('\r\n', '\n');
  checkLines(file);
  const frame = [...file.matchAll(/^-----(BEGIN|END) PGP [A-Z ]+-----/gm)].map(([marker]) => marker);
  const wanted = ['-----BEGIN PGP SIGNED MESSAGE-----', '-----BEGIN PGP SIGNATURE-----', '-----END PGP SIGNATURE-----'];
  if (!file.startsWith(`${wanted[0]}\n`)) throw new FormatProblem('does not begin with an OpenPGP clearsign header');
  if (frame.join() !== wanted.join()) {
    throw new FormatProblem(
      'is not exactly one clearsigned message (text before, after or between signatures is not signed)',
    );
  }
  const signatures = file.length - file.lastIndexOf(wanted[1] as string);
  if (signatures > maxSignatureBytes) throw new FormatProblem(`has ${signatures} bytes of signatures`);
  const tail = file.slice(file.lastIndexOf(wanted[2] as string) + (wanted[2] as string).length);
  if (tail.trim() !== '') throw new FormatProblem('has text after its signature, which nobody signed');
  try {
    const message = await readCleartextMessage({ cleartextMessage: file });
    return { message, text: message.getText() };
  } catch (error) {
    throw new FormatProblem(`cannot be read as a clearsigned message: ${messageOf(error)}`);
  }
}

/** Checks the signatures of a clearsigned message; one valid signature by one configured key is enough. */
export async function checkClearsigned(message: CleartextMessage, ring: KeyRing, now: Date): Promise<SignatureCheck> {
  const { packets } = (message as unknown as { signature: Signature }).signature;
  return checkAll(message, signatureCount(packets), ring, now);
}

/**
 * Checks a detached signature over exactly these bytes: binary, or one or more armored blocks, of which one must be valid.
 * @throws FormatProblem when a signature cannot be read
 */
export async function checkDetached(
  data: Uint8Array,
  signature: Uint8Array,
  ring: KeyRing,
  now: Date,
): Promise<SignatureCheck> {
  const message = await createMessage({ binary: data });
  const reasons = new Set<string>();
  for (const parsed of await parseSignatures(signature)) {
    const check = await checkAll(message, signatureCount(parsed.packets), ring, now, parsed);
    if (check.valid) return check;
    reasons.add(check.reason);
  }
  return { valid: false, reason: [...reasons].join('; ') };
}

async function parseSignatures(bytes: Uint8Array): Promise<Signature[]> {
  if (bytes.length > maxSignatureBytes) throw new FormatProblem(`has ${bytes.length} bytes of signatures`);
  const isArmored = Buffer.from(bytes.subarray(0, 64)).toString('latin1').trimStart().startsWith('-----BEGIN PGP');
  try {
    if (!isArmored) return [await readSignature({ binarySignature: Uint8Array.from(bytes) })];
    // Archives that sign with several keys one after the other append block to block.
    const text = decodeUtf8(bytes);
    checkLines(text);
    // By its literal end: an expression for it would look back over the same blanks again and again.
    const parts = text.split(signatureEnd);
    const blocks = parts.map((part, at) => (at < parts.length - 1 ? part + signatureEnd : part));
    const found: Signature[] = [];
    for (const armoredSignature of blocks.slice(0, maxSignatures)) {
      if (armoredSignature.trim() !== '') found.push(await readSignature({ armoredSignature }));
    }
    return found;
  } catch (error) {
    throw new FormatProblem(`cannot be read as an OpenPGP signature: ${messageOf(error)}`);
  }
}

function checkLines(text: string): void {
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) {
    lines += 1;
    if (lines > maxLines) throw new FormatProblem(`has more than ${maxLines} lines`);
  }
}

function signatureCount(packets: Iterable<unknown>): number {
  return [...packets].length;
}

async function checkAll(
  message: CleartextMessage | Message<Uint8Array>,
  count: number,
  ring: KeyRing,
  now: Date,
  signature?: Signature,
): Promise<SignatureCheck> {
  if (ring.keys.length === 0) {
    return { valid: false, reason: `no usable key is configured: ${ring.problems.join('; ')}` };
  }
  if (count > maxSignatures) return { valid: false, reason: `it has ${count} signatures, more than ${maxSignatures}` };
  const signers: Signer[] = [];
  const faults = new Set<string>();
  const issuers = new Set<string>();
  // One key at a time: of several copies of a key the library would only try the first.
  for (const key of ring.keys) {
    const date = new Date(now.getTime() + clockSkewMs);
    const options = { verificationKeys: [key], date, config, ...(signature && { signature }) };
    const checked = await verify({ message: message as CleartextMessage, ...options }).catch((error: unknown) => {
      faults.add(messageOf(error));
      return undefined;
    });
    for (const one of checked?.signatures ?? []) {
      issuers.add(one.keyID.toHex().toUpperCase());
      if (key.getKeys(one.keyID).length === 0) continue;
      try {
        signers.push(await checkOne(one, key, now));
      } catch (error) {
        faults.add(`signature by ${one.keyID.toHex().toUpperCase()}: ${messageOf(error)}`);
      }
    }
  }
  if (signers.length > 0) return { valid: true, signers };
  if (faults.size > 0) return { valid: false, reason: [...faults].slice(0, 8).join('; ') };
  if (issuers.size === 0) return { valid: false, reason: 'it carries no signature that can be read' };
  const wanted = ring.keys.slice(0, 8).map(fingerprintOf).join(', ');
  return {
    valid: false,
    reason: `signed by ${[...issuers].join(', ')}, none of them a configured key (${wanted})`,
  };
}

type VerificationResult = Awaited<ReturnType<typeof verify>>['signatures'][number];

/** A signature counts when it is right and its key was valid when it signed and still is. */
async function checkOne(result: VerificationResult, key: PublicKey, now: Date): Promise<Signer> {
  await result.verified;
  const packet = (await result.signature).packets[0];
  // Throws for a key that is revoked or has expired since, which the library only asks of the time of signing.
  const signing = await key.getSigningKey(result.keyID, now);
  return {
    key,
    signingKey: signing.getFingerprint().toUpperCase(),
    signedAt: packet?.created ?? now,
  };
}
