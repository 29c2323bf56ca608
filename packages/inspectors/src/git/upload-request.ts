import { formatOf, isObjectId, type ObjectFormat } from './object-id.js';
import { GitFormatError, type Pkt, parsePkts, textOf } from './pkt-line.js';

/** What a client asks of `git-upload-pack`. */
export type UploadRequest =
  | { readonly command: 'ls-refs'; readonly version: '2'; readonly lines: readonly string[] }
  | { readonly command: 'other'; readonly version: '2'; readonly name: string; readonly lines: readonly string[] }
  /** A lone flush, with which clients find out whether they are let in. */
  | { readonly command: 'probe'; readonly version: '0'; readonly lines: readonly string[] }
  | FetchRequest;

export interface FetchRequest {
  readonly command: 'fetch';
  /** `0` stands for 1 too: they differ in the advertisement only. */
  readonly version: '0' | '2';
  /** All lines, for the record. */
  readonly lines: readonly string[];
  readonly wants: readonly string[];
  readonly wantRefs: readonly string[];
  readonly haves: readonly string[];
  /** Commits whose parents the client does not have. */
  readonly shallow: readonly string[];
  /** Whether the answer's history is cut off on request. */
  readonly isShallow: boolean;
  /** `filter=…`: the answer leaves objects out on request. */
  readonly filter: string | undefined;
  readonly done: boolean;
  readonly sideBand: 'none' | 'pack' | 'all';
  readonly objectFormat: ObjectFormat;
}

/** A request with more packets than this is not made by any client. */
const maxPkts = 200_000;

/**
 * Reads the body of a request to `git-upload-pack` of protocol 0, 1 or 2.
 * @throws GitFormatError
 * @see gitprotocol-pack(5), gitprotocol-v2(5)
 */
export function parseUploadRequest(body: Uint8Array): UploadRequest {
  const pkts = parsePkts(body, maxPkts);
  const lines = pkts.flatMap((pkt) => (pkt.kind === 'data' ? [textOf(pkt.payload)] : []));
  const [first] = lines;
  if (first === undefined) return { command: 'probe', version: '0', lines };
  const command = /^command=(.*)$/.exec(first)?.[1];
  if (command === undefined) return parseFetchV0(lines);
  if (pkts.at(-1)?.kind !== 'flush') throw new GitFormatError('the request does not end with a flush');
  if (command === 'ls-refs') return { command, version: '2', lines };
  if (command === 'fetch') return parseFetchV2(pkts, lines);
  return { command: 'other', version: '2', name: command, lines };
}

function parseFetchV2(pkts: readonly Pkt[], lines: readonly string[]): FetchRequest {
  const delim = pkts.findIndex(({ kind }) => kind === 'delim');
  const split = delim < 0 ? lines.length : delim;
  const capabilities = lines.slice(1, split);
  return collect({ version: '2', lines, capabilities, args: lines.slice(split), sideBand: 'pack' });
}

/** The capabilities stand behind the first want. */
function parseFetchV0(lines: readonly string[]): FetchRequest {
  const match = /^want ([0-9a-f]+)(?: (.*))?$/.exec(lines[0] ?? '');
  if (!match) throw new GitFormatError(`expected a want or a command, found ${show(lines[0] ?? '')}`);
  const capabilities = (match[2] ?? '').split(' ');
  const sideBand = capabilities.some((name) => name === 'side-band' || name === 'side-band-64k') ? 'pack' : 'none';
  const args = [`want ${match[1]}`, ...lines.slice(1)];
  return collect({ version: '0', lines, capabilities, args, sideBand });
}

interface Parts {
  readonly version: '0' | '2';
  readonly lines: readonly string[];
  readonly capabilities: readonly string[];
  readonly args: readonly string[];
  readonly sideBand: 'none' | 'pack';
}

const flags = new Set(['thin-pack', 'no-progress', 'include-tag', 'ofs-delta', 'wait-for-done', 'deepen-relative']);

function collect({ version, lines, capabilities, args, sideBand }: Parts): FetchRequest {
  const ids = { want: new Set<string>(), have: new Set<string>(), shallow: new Set<string>() };
  const wantRefs: string[] = [];
  let filter: string | undefined;
  let isShallow = false;
  let done = false;
  let all = false;
  for (const line of args) {
    const [, key = line, value = ''] = /^([^ ]+) (.*)$/.exec(line) ?? [];
    if (key === 'want' || key === 'have' || key === 'shallow') {
      if (!isObjectId(value)) throw new GitFormatError(`not an object id: ${show(line)}`);
      ids[key].add(value);
    } else if (key === 'want-ref' && value !== '') wantRefs.push(value);
    else if (key === 'deepen' || key === 'deepen-since' || key === 'deepen-not') isShallow = true;
    else if (key === 'filter') filter = value;
    else if (line === 'done') done = true;
    else if (line === 'sideband-all') all = true;
    else if (key === 'packfile-uris')
      throw new GitFormatError('packs from other places (packfile-uris) cannot be checked');
    else if (!flags.has(line)) throw new GitFormatError(`unknown line ${show(line)}`);
  }
  // Clients of protocol 0 do not always say it; then the ids themselves tell.
  const named = capabilities.find((name) => name.startsWith('object-format='))?.slice('object-format='.length);
  const format = named ?? formatOf([...ids.want][0] ?? '');
  if (format !== 'sha1' && format !== 'sha256') throw new GitFormatError(`unknown object format ${show(format)}`);
  const length = format === 'sha1' ? 40 : 64;
  const wrong = [...ids.want, ...ids.have, ...ids.shallow].find((oid) => oid.length !== length);
  if (wrong !== undefined) throw new GitFormatError(`expected object ids of ${format}, found ${wrong}`);
  if (ids.want.size === 0 && wantRefs.length === 0) throw new GitFormatError('nothing is wanted');
  return {
    command: 'fetch',
    version,
    lines,
    wants: [...ids.want],
    wantRefs,
    haves: [...ids.have],
    shallow: [...ids.shallow],
    isShallow,
    filter,
    done,
    sideBand: all ? 'all' : sideBand,
    objectFormat: format,
  };
}

function show(line: string): string {
  return JSON.stringify(line.slice(0, 200));
}
