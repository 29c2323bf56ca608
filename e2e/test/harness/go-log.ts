import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import type { FileUpstream } from './file-upstream.js';

/** A signed checksum database, made as RFC 6962 and Go's note format describe. Nothing of the code under test is in it. */
export interface GoLog {
  /** As in GOSUMDB. */
  readonly key: string;
  readonly name: string;
  /** Lines of go.sum of one version; module paths and versions in lower case only. */
  add(lines: string): void;
  /** The answer to a lookup, signed over the tree as it is now. */
  lookup(moduleAtVersion: string): string;
  /** The signed tree head. */
  latest(): string;
  /** A log of the same key with its own records: what only a dishonest database can make. */
  fork(): GoLog;
  /** Lookups, the head and tiles of the tree as it is now, below a path of an upstream. */
  publish(upstream: Pick<FileUpstream, 'put'>, base: string): void;
}

type Key = { readonly name: string; readonly hash: Buffer; sign(text: string): Buffer; readonly verifier: string };

const sha = (...parts: (string | Buffer)[]) =>
  createHash('sha256')
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();
const leafHash = (record: string) => sha(Buffer.of(0), record);
const nodeHash = (left: Buffer, right: Buffer) => sha(Buffer.of(1), left, right);

export function createGoLog(name = 'sum.registry.example'): GoLog {
  return logOf(createKey(name), []);
}

function createKey(name: string): Key {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  // One byte for the algorithm, then the key.
  const data = Buffer.concat([Buffer.of(1), publicKey.export({ format: 'der', type: 'spki' }).subarray(-32)]);
  const hash = sha(`${name}\n`, data).subarray(0, 4);
  return {
    name,
    hash,
    sign: (text) => sign(null, Buffer.from(text), privateKey),
    verifier: `${name}+${hash.toString('hex')}+${data.toString('base64')}`,
  };
}

function logOf(key: Key, records: string[]): GoLog {
  const latest = () => {
    const root = rootOf(records.map(leafHash)).toString('base64');
    const text = `go.sum database tree\n${records.length}\n${root}\n`;
    const signature = Buffer.concat([key.hash, key.sign(text)]).toString('base64');
    return `${text}\n\u2014 ${key.name} ${signature}\n`;
  };
  const lookup = (moduleAtVersion: string) => {
    const index = records.findIndex((lines) => nameOf(lines) === moduleAtVersion);
    return `${index}\n${records[index]}\n${latest()}`;
  };
  return {
    key: key.verifier,
    name: key.name,
    add: (lines) => void records.push(lines),
    lookup,
    latest,
    fork: () => logOf(key, []),
    publish(upstream, base) {
      upstream.put(`${base}/supported`, '', 'text/plain');
      upstream.put(`${base}/latest`, latest(), 'text/plain');
      for (const lines of records) upstream.put(`${base}/lookup/${nameOf(lines)}`, lookup(nameOf(lines)), 'text/plain');
      // A tree of up to 256 records is one tile; clients ask for it by its width.
      const hashes = records.map(leafHash);
      for (let width = 1; width <= Math.min(hashes.length, 255); width += 1) {
        upstream.put(`${base}/tile/8/0/000.p/${width}`, Buffer.concat(hashes.slice(0, width)));
      }
    },
  };
}

/** `module@version` of a record. */
function nameOf(lines: string): string {
  const [module = '', version = ''] = lines.split(' ');
  return `${module}@${version}`;
}

function rootOf(hashes: readonly Buffer[]): Buffer {
  if (hashes.length === 1) return hashes[0] as Buffer;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}
