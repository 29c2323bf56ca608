import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

/** Whose signature is wanted. */
export interface NoteVerifier {
  readonly name: string;
  /** First four bytes of the key's hash. */
  readonly keyHash: Buffer;
  readonly key: KeyObject;
}

/** Not a note, or not signed by whom it should be. */
export class SignedNoteError extends Error {}

const ed25519 = 1;
/** SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes. RFC 8410 §4 */
const ed25519Prefix = Buffer.from('302a300506032b6570032100', 'hex');

/**
 * Reads a verifier key: `<name>+<hash>+<base64 of algorithm byte and key>`.
 * @throws SignedNoteError
 * @see https://pkg.go.dev/golang.org/x/mod/sumdb/note
 */
export function parseVerifier(text: string): NoteVerifier {
  const [, name = '', hash = '', encoded = ''] = /^([^\s+]+)\+([0-9a-f]{8})\+(\S+)$/.exec(text) ?? [];
  const data = Buffer.from(encoded, 'base64');
  if (name === '' || data.length !== 33 || data[0] !== ed25519) {
    throw new SignedNoteError('expected <name>+<hash>+<key> with an Ed25519 key');
  }
  const keyHash = createHash('sha256').update(`${name}\n`).update(data).digest().subarray(0, 4);
  if (keyHash.toString('hex') !== hash) throw new SignedNoteError(`the hash of the key of ${name} is wrong`);
  const der = Buffer.concat([ed25519Prefix, data.subarray(1)]);
  return { name, keyHash, key: createPublicKey({ key: der, format: 'der', type: 'spki' }) };
}

/**
 * The text of a note, verified.
 * @throws SignedNoteError
 */
export function openNote(note: string, verifier: NoteVerifier): string {
  const split = note.lastIndexOf('\n\n');
  if (split < 0 || !note.endsWith('\n')) throw new SignedNoteError('not a signed note');
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split('\n');
  if (lines.length > 100) throw new SignedNoteError('more than 100 signatures');
  for (const line of lines) {
    const [, name, encoded = ''] = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
    if (name === undefined) throw new SignedNoteError('a line of the signatures is none');
    const signature = Buffer.from(encoded, 'base64');
    if (name !== verifier.name || !signature.subarray(0, 4).equals(verifier.keyHash)) continue;
    if (verify(null, Buffer.from(text), verifier.key, signature.subarray(4))) return text;
    throw new SignedNoteError(`the signature of ${name} is wrong`);
  }
  throw new SignedNoteError(`no signature of ${verifier.name}`);
}
