import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { nodeHash, recordHash } from '../src/go/merkle-tree.js';
import { escapePath } from '../src/go/module-path.js';

/** A checksum database in memory, made as RFC 6962 and the note format describe, not with the code under test beyond its hashes. */
export interface GoLog {
  /** As in GOSUMDB. */
  readonly key: string;
  /** Adds a record of a version; returns its number. */
  add(lines: string): number;
  /** The answer to `lookup/…` of a record, signed over the tree as it is now. */
  lookup(index: number): string;
  latest(): string;
  /** What the database answers below its base; undefined = 404. */
  serve(path: string): Buffer | undefined;
}

export function createGoLog(name = 'sum.registry.example'): GoLog {
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32);
  const data = Buffer.concat([Buffer.of(1), raw]);
  const keyHash = createHash('sha256').update(`${name}\n`).update(data).digest().subarray(0, 4);
  const records: string[] = [];

  const rootOf = (hashes: readonly Buffer[]): Buffer => {
    if (hashes.length === 1) return hashes[0] as Buffer;
    let split = 1;
    while (split * 2 < hashes.length) split *= 2;
    return nodeHash(rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
  };
  const head = () => {
    const text = `go.sum database tree\n${records.length}\n${rootOf(records.map(recordHash)).toString('base64')}\n`;
    return `${text}\n${signature(text, name, keyHash, privateKey)}`;
  };

  function tile(level: number, number: number, width: number): Buffer | undefined {
    let hashes = records.map(recordHash);
    for (let i = 0; i < level * 8; i += 1) {
      hashes = Array.from({ length: Math.floor(hashes.length / 2) }, (_, at) =>
        nodeHash(hashes[2 * at] as Buffer, hashes[2 * at + 1] as Buffer),
      );
    }
    const part = hashes.slice(number * 256, number * 256 + width);
    return part.length === width ? Buffer.concat(part) : undefined;
  }

  return {
    key: `${name}+${keyHash.toString('hex')}+${data.toString('base64')}`,
    add: (lines) => records.push(lines) - 1,
    lookup: (index) => `${index}\n${records[index]}\n${head()}`,
    latest: head,
    serve(path) {
      if (path === 'latest') return Buffer.from(head());
      const found = /^tile\/8\/(\d+)\/((?:x\d{3}\/)*\d{3})(?:\.p\/(\d+))?$/.exec(path);
      if (found) {
        const number = Number((found[2] ?? '').replaceAll(/[x/]/g, ''));
        return tile(Number(found[1]), number, Number(found[3] ?? 256));
      }
      const index = records.findIndex((lines) => {
        const [module = '', version = ''] = lines.split(' ');
        return path === `lookup/${escapePath(module)}@${escapePath(version)}`;
      });
      return index < 0 ? undefined : Buffer.from(this.lookup(index));
    },
  };
}

function signature(text: string, name: string, keyHash: Buffer, key: KeyObject): string {
  return `\u2014 ${name} ${Buffer.concat([keyHash, sign(null, Buffer.from(text), key)]).toString('base64')}\n`;
}
