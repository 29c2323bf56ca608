import { createHash } from 'node:crypto';
import { enums, LiteralDataPacket, PacketList, PublicKeyPacket, SignaturePacket } from 'openpgp';
import { type Assertion, AssertionError, headerOf, quote } from './assertion.js';

/** The key of an account, out of an account-key assertion. */
export interface AccountKey {
  /** base64url of the sha3-384 over the key, as assertions name it. */
  readonly id: string;
  readonly accountId: string;
  /** Milliseconds; from when on it may sign, and until when (undefined: for good). */
  readonly sinceMs: number;
  readonly untilMs: number | undefined;
  readonly packet: PublicKeyPacket;
  /** It came in. */
  readonly assertion: Assertion;
}

/** Version of the encoding of keys and signatures. */
const version1 = 1;
const minRsaBits = 2048;
/** All keys claim to be made at this moment, so that their digest does not depend on it. */
const keyTime = Date.UTC(2016, 0, 1);
const hashes = new Set([enums.hash.sha256, enums.hash.sha384, enums.hash.sha512]);

/**
 * Reads an account-key; its id is computed, never believed.
 * @throws AssertionError
 */
export async function readAccountKey(assertion: Assertion): Promise<AccountKey> {
  const bytes = decode(assertion.body.toString('latin1'), 'public key');
  const id = createHash('sha3-384').update(bytes).digest('base64url');
  const named = headerOf(assertion, 'public-key-sha3-384');
  if (named !== id) throw new AssertionError(`the account-key says it is ${quote(named)} and holds ${id}`);
  // Limits on what a key may sign, which are not read here: such a key signs nothing then.
  if (assertion.headers.has('constraints')) throw new AssertionError(`the account-key ${id} has constraints`);
  const packet = await onlyPacket(bytes.subarray(1), PublicKeyPacket, 'public key');
  const { algorithm, bits = 0 } = packet.getAlgorithmInfo();
  if (!algorithm.startsWith('rsa') || bits < minRsaBits) {
    throw new AssertionError(`expected an RSA key of ${minRsaBits} bits or more, found ${algorithm} ${bits}`);
  }
  if (packet.getCreationTime().getTime() !== keyTime) throw new AssertionError('a key with a time of its own');
  const until = assertion.headers.get('until');
  return {
    id,
    accountId: headerOf(assertion, 'account-id'),
    sinceMs: timeOf(headerOf(assertion, 'since'), 'since'),
    untilMs: until === undefined || until === '' ? undefined : timeOf(until, 'until'),
    packet,
    assertion,
  };
}

/**
 * Checks that the key made the assertion's signature.
 * @throws AssertionError
 */
export async function checkSignature(assertion: Assertion, key: AccountKey): Promise<void> {
  const bytes = decode(assertion.signature, 'signature');
  const signature = await onlyPacket(bytes.subarray(1), SignaturePacket, 'signature');
  if (signature.signatureType !== enums.signature.binary || !hashes.has(signature.hashAlgorithm as enums.hash)) {
    throw new AssertionError('expected a binary signature over SHA-256, SHA-384 or SHA-512');
  }
  // Stores leave out the key that the assertion's own header names.
  if (/^0*$/.test(signature.issuerKeyID.toHex())) signature.issuerKeyID = key.packet.getKeyID();
  const data = new LiteralDataPacket() as unknown as { setBytes(bytes: Uint8Array, format: enums.literal): void };
  data.setBytes(Uint8Array.from(assertion.content), enums.literal.binary);
  try {
    // Times are judged by the assertion's own, which is signed.
    await signature.verify(key.packet, enums.signature.binary, data, null as unknown as undefined, true);
  } catch (error) {
    throw new AssertionError(`the signature of the ${assertion.type} is not by ${key.id}: ${(error as Error).message}`);
  }
}

/** @throws AssertionError */
export function timeOf(text: string, what: string): number {
  const ms = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new AssertionError(`expected a time as ${what}, found ${quote(text)}`);
  return ms;
}

function decode(text: string, what: string): Buffer {
  const flat = text.replaceAll('\n', '');
  const bytes = Buffer.from(flat, 'base64');
  if (flat === '' || bytes.toString('base64') !== flat) throw new AssertionError(`a ${what} that is no base64`);
  if (bytes[0] !== version1) throw new AssertionError(`a ${what} of version ${bytes[0]}, expected ${version1}`);
  return bytes;
}

async function onlyPacket<Packet>(bytes: Buffer, type: new () => Packet, what: string): Promise<Packet> {
  const allowed = { [(type as unknown as { tag: number }).tag]: type };
  let packets: unknown[];
  try {
    packets = await PacketList.fromBinary(Uint8Array.from(bytes), allowed as never);
  } catch (error) {
    throw new AssertionError(`a ${what} that is no OpenPGP packet: ${(error as Error).message}`);
  }
  if (packets.length !== 1 || !(packets[0] instanceof type)) throw new AssertionError(`expected one ${what}`);
  return packets[0];
}
