import { createHash } from 'node:crypto';
import type { CachePrincipal } from '@waybill/cache-store';
import { ArtifactCacheError } from '../errors.js';

/** Kinds of keys that sshd takes today; DSA and certificates are not among them. */
const kinds =
  /^(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com)$/;

/** A public key without its comment, which anybody can write. */
export interface SshKey {
  /** `SHA256:…`, as OpenSSH prints it. */
  readonly fingerprint: string;
  /** Type and base64. */
  readonly publicKey: string;
}

/** `SHA256:…` of a public key, as OpenSSH prints it: base64 without its padding. */
export function sshFingerprint(key: Uint8Array): string {
  return `SHA256:${createHash('sha256').update(key).digest('base64').slice(0, 43)}`;
}

/**
 * Reads the one line of a `.pub` file. Options before the key are refused: they would say what sshd lets its owner do.
 * @throws ArtifactCacheError SERVER_KEY_INVALID
 */
export function parseSshKey(text: string): SshKey {
  if (text.includes('PRIVATE KEY')) throw invalid('this is a private key, which stays with its owner');
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const [type = '', base64 = ''] = lines[0]?.trim().split(/\s+/) ?? [];
  if (lines.length !== 1 || !kinds.test(type)) throw invalid('this is no ssh public key');
  const blob = Buffer.from(base64, 'base64');
  // The key says its own type once more, length first. RFC 4253 §6.6
  const isWhole = blob.length > 4 + type.length && blob.readUInt32BE(0) === type.length;
  if (!isWhole || blob.toString('latin1', 4, 4 + type.length) !== type || blob.toString('base64') !== base64) {
    throw invalid(`the ${type} key is damaged`);
  }
  return { fingerprint: sshFingerprint(blob), publicKey: `${type} ${base64}` };
}

/** The line of `authorized_keys` that lets a principal push and nothing else; undefined for one without an ssh key. */
export function authorizedLine({ id, credential }: CachePrincipal, repository: string): string | undefined {
  if (credential.kind !== 'ssh-key' || credential.publicKey === undefined) return undefined;
  const command = `artifact-cache receive --key ${credential.value} ${shellWord(repository)}`;
  return `command="${command.replaceAll('"', '\\"')}",restrict ${credential.publicKey} ${id}`;
}

function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

function invalid(message: string): ArtifactCacheError {
  return new ArtifactCacheError('SERVER_KEY_INVALID', message, {
    hint: 'give the line of a file like ~/.ssh/id_ed25519.pub',
  });
}
