import type { Readable } from 'node:stream';
import type { CatalogParser } from '@waybill/contracts';
import { isObjectId } from './object-id.js';
import { GitFormatError, type Pkt, PktStream, textOf } from './pkt-line.js';

/** What a server says its refs point to. */
export interface GitRefs {
  /** Ref name → object id, `HEAD` among them. */
  readonly refs: ReadonlyMap<string, string>;
  /** Annotated tag's ref name → id of the object it points to. */
  readonly peeled: ReadonlyMap<string, string>;
}

/** What the answer to `info/refs` says. */
export interface Advertisement extends GitRefs {
  readonly version: '0' | '1' | '2';
  readonly capabilities: readonly string[];
}

/** Kind of the catalogs that lists of refs are. */
export const refsKind = 'git.refs';

/** Scope of the refs of a repository. */
export function refsScope(repository: string): string {
  return `${refsKind}:${repository}`;
}

const serviceLine = '# service=git-upload-pack';
const maxRefs = 500_000;

/**
 * Reads an advertisement of protocol 0, 1 or 2. Servers may leave out the service line in version 2.
 * @throws GitFormatError
 * @see gitprotocol-http(5), gitprotocol-v2(5)
 */
export async function readAdvertisement(stream: Readable): Promise<Advertisement> {
  const pkts = new PktStream(stream);
  let first = await pkts.next();
  if (first?.kind === 'data' && textOf(first.payload) === serviceLine) {
    if ((await pkts.next())?.kind !== 'flush') throw new GitFormatError('no flush after the service line');
    first = await pkts.next();
  }
  const version = first?.kind === 'data' ? /^version ([12])$/.exec(textOf(first.payload))?.[1] : undefined;
  if (version === '2') {
    const capabilities = await readLines(pkts);
    await expectEnd(pkts);
    return { version, capabilities, refs: new Map(), peeled: new Map() };
  }
  if (version === '1') first = await pkts.next();
  const listed = await readRefList(pkts, first);
  await expectEnd(pkts);
  return { version: version === '1' ? '1' : '0', ...listed };
}

/**
 * Reads the answer to `ls-refs`.
 * @throws GitFormatError
 */
export async function readLsRefs(stream: Readable): Promise<GitRefs> {
  const pkts = new PktStream(stream);
  const refs = new Map<string, string>();
  const peeled = new Map<string, string>();
  for (const line of await readLines(pkts)) {
    const [oid = '', name = '', ...attributes] = line.split(' ');
    if (name === '' || (oid !== 'unborn' && !isObjectId(oid))) throw new GitFormatError(`not a ref: ${show(line)}`);
    if (oid !== 'unborn') refs.set(name, oid);
    for (const attribute of attributes) {
      const target = /^peeled:(.*)$/.exec(attribute)?.[1];
      if (target === undefined) continue;
      if (!isObjectId(target)) throw new GitFormatError(`not a ref: ${show(line)}`);
      peeled.set(name, target);
    }
  }
  await expectEnd(pkts);
  return { refs, peeled };
}

/** Rebuilds a list of refs; attribute `form` says of which answer. */
export const refsParser: CatalogParser<GitRefs> = {
  kind: refsKind,
  parse: (bytes, ref) => (ref.attributes?.form === 'ls-refs' ? readLsRefs(bytes) : readAdvertisement(bytes)),
  weigh: ({ refs, peeled }) => 500 + 200 * (refs.size + peeled.size),
};

async function readRefList(pkts: PktStream, first: Pkt | undefined): Promise<GitRefs & { capabilities: string[] }> {
  const refs = new Map<string, string>();
  const peeled = new Map<string, string>();
  let capabilities: string[] | undefined;
  for (let pkt = first; ; pkt = await pkts.next()) {
    if (pkt?.kind === 'flush') break;
    if (pkt?.kind !== 'data') throw new GitFormatError('the list of refs does not end with a flush');
    if (refs.size > maxRefs) throw new GitFormatError(`more than ${maxRefs} refs`);
    const [line = '', listed] = textOf(pkt.payload).split('\0');
    refuseError(line);
    if (capabilities === undefined) capabilities = (listed ?? '').trim().split(' ').filter(Boolean);
    const space = line.indexOf(' ');
    const [oid, name] = [line.slice(0, space), line.slice(space + 1)];
    if (oid === 'shallow' && isObjectId(name)) continue;
    if (!isObjectId(oid) || name === '') throw new GitFormatError(`not a ref: ${show(line)}`);
    if (name === 'capabilities^{}') continue;
    if (name.endsWith('^{}')) peeled.set(name.slice(0, -3), oid);
    else refs.set(name, oid);
  }
  return { refs, peeled, capabilities: capabilities ?? [] };
}

/** Lines up to a flush. */
async function readLines(pkts: PktStream): Promise<string[]> {
  const lines: string[] = [];
  for (;;) {
    const pkt = await pkts.next();
    if (pkt?.kind === 'flush') return lines;
    if (pkt?.kind !== 'data') throw new GitFormatError('the answer does not end with a flush');
    if (lines.length > maxRefs) throw new GitFormatError(`more than ${maxRefs} lines`);
    const line = textOf(pkt.payload);
    refuseError(line);
    lines.push(line);
  }
}

/** @throws GitFormatError when something follows */
async function expectEnd(pkts: PktStream): Promise<void> {
  const pkt = await pkts.next();
  // http servers of old may close with an end packet.
  if (pkt?.kind === 'end') return expectEnd(pkts);
  if (pkt) throw new GitFormatError('more bytes after the end of the answer');
}

function refuseError(line: string): void {
  if (line.startsWith('ERR ')) throw new GitFormatError(`the server answered with an error: ${show(line.slice(4))}`);
}

function show(line: string): string {
  return JSON.stringify(line.slice(0, 200));
}
