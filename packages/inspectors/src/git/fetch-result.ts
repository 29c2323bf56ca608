import type { Readable } from 'node:stream';
import { isObjectId } from './object-id.js';
import { GitFormatError, type Pkt, PktStream, textOf } from './pkt-line.js';
import type { FetchRequest } from './upload-request.js';

/** What an answer to a fetch says before its pack. */
export interface FetchResult {
  /** Commits that the server has in common with the client. */
  readonly acks: readonly string[];
  /** Commits whose parents do not come. */
  readonly shallow: readonly string[];
  /** Commits that are no longer shallow. */
  readonly unshallow: readonly string[];
  readonly wantedRefs: ReadonlyMap<string, string>;
  /**
   * The pack, to be read once and to its end, where the stream's own end is checked too; undefined when the answer is only a round
   * of negotiation. Throws {@link GitFormatError}.
   */
  readonly pack: AsyncIterable<Buffer> | undefined;
}

/** Progress text goes to a terminal unseen by anybody else: it must stay small. */
const maxProgressBytes = 2 ** 20;
const maxLines = 1_000_000;

/** What of a request decides how its answer is to be read. */
export type FetchForm = Pick<FetchRequest, 'version' | 'sideBand'>;

interface Found {
  readonly acks: string[];
  readonly shallow: string[];
  readonly unshallow: string[];
  readonly wantedRefs: Map<string, string>;
}

/**
 * Reads an answer to a fetch up to its pack.
 * @throws GitFormatError
 * @see gitprotocol-pack(5), gitprotocol-v2(5)
 */
export async function readFetchResult(stream: Readable, request: FetchForm): Promise<FetchResult> {
  const pkts = new PktStream(stream);
  const found: Found = { acks: [], shallow: [], unshallow: [], wantedRefs: new Map() };
  const pack = request.version === '2' ? await readSections(pkts, request, found) : await readOld(pkts, request, found);
  return { ...found, pack };
}

/** Protocol 2: named sections, parted by delimiters; a pack is the last. */
async function readSections(
  pkts: PktStream,
  request: FetchForm,
  found: Found,
): Promise<AsyncIterable<Buffer> | undefined> {
  const demux = new SideBand(request.sideBand === 'all');
  for (;;) {
    const header = await nextLine(pkts, demux);
    if (header.kind !== 'line') throw new GitFormatError(`expected a section, found ${header.kind}`);
    if (header.text === 'packfile') return packets(pkts, new SideBand(true));
    const ended = await readSection(header.text, pkts, { demux, found });
    if (ended === 'flush') {
      await expectEnd(pkts);
      return undefined;
    }
  }
}

async function readSection(
  name: string,
  pkts: PktStream,
  { demux, found }: { demux: SideBand; found: Found },
): Promise<'delim' | 'flush'> {
  if (name === 'packfile-uris') throw new GitFormatError('packs from other places (packfile-uris) cannot be checked');
  for (let count = 0; count < maxLines; count += 1) {
    const next = await nextLine(pkts, demux);
    if (next.kind === 'delim' || next.kind === 'flush') return next.kind;
    if (next.kind !== 'line') throw new GitFormatError(`section ${show(name)} is cut off`);
    if (name === 'acknowledgments') readAck(next.text, found);
    else if (name === 'shallow-info') readShallow(next.text, found);
    else if (name === 'wanted-refs') readWantedRef(next.text, found);
    else throw new GitFormatError(`unknown section ${show(name)}`);
  }
  throw new GitFormatError(`section ${show(name)} has more than ${maxLines} lines`);
}

/** Protocol 0 and 1: shallow lines up to a flush when the client asked for depth, then ACK or NAK, then the pack. */
async function readOld(pkts: PktStream, request: FetchForm, found: Found): Promise<AsyncIterable<Buffer> | undefined> {
  for (let count = 0; count < maxLines; count += 1) {
    if (await pkts.isAtBarePack()) return barePack(pkts);
    const pkt = await pkts.next();
    if (!pkt) return undefined;
    if (pkt.kind === 'flush') continue;
    if (pkt.kind !== 'data') throw new GitFormatError(`unexpected ${pkt.kind} packet`);
    if (request.sideBand === 'pack' && isBand(pkt.payload)) return packets(pkts, new SideBand(true), pkt);
    const line = textOf(pkt.payload);
    if (/^(un)?shallow /.test(line)) readShallow(line, found);
    else readAck(line, found);
  }
  throw new GitFormatError(`more than ${maxLines} lines before the pack`);
}

function readAck(line: string, found: Found): void {
  if (line === 'NAK' || line === 'ready') return;
  const [, oid] = /^ACK ([0-9a-f]+)(?: (?:continue|common|ready))?$/.exec(line) ?? [];
  if (!isObjectId(oid)) refuse(line);
  found.acks.push(oid);
}

function readShallow(line: string, found: Found): void {
  const [, kind, oid] = /^(shallow|unshallow) ([0-9a-f]+)$/.exec(line) ?? [];
  if (!isObjectId(oid)) refuse(line);
  found[kind as 'shallow' | 'unshallow'].push(oid);
}

function readWantedRef(line: string, found: Found): void {
  const [, oid, name] = /^([0-9a-f]+) (\S+)$/.exec(line) ?? [];
  if (!isObjectId(oid) || name === undefined) refuse(line);
  found.wantedRefs.set(name, oid);
}

/** A pack in packets of side band 1, up to a flush and the end of the stream. */
async function* packets(pkts: PktStream, band: SideBand, first?: Pkt): AsyncGenerator<Buffer> {
  for (let pkt = first ?? (await pkts.next()); ; pkt = await pkts.next()) {
    if (pkt?.kind === 'flush') break;
    if (pkt?.kind !== 'data') throw new GitFormatError('the pack is cut off');
    const data = band.take(pkt.payload);
    if (data && data.length > 0) yield data;
  }
  await expectEnd(pkts);
}

async function* barePack(pkts: PktStream): AsyncGenerator<Buffer> {
  yield* pkts.rest();
}

async function expectEnd(pkts: PktStream): Promise<void> {
  for (let pkt = await pkts.next(); pkt; pkt = await pkts.next()) {
    if (pkt.kind !== 'end') throw new GitFormatError('more bytes after the end of the answer');
  }
}

type Line = { readonly kind: 'line'; readonly text: string } | { readonly kind: 'flush' | 'delim' | 'end' | 'nothing' };

async function nextLine(pkts: PktStream, band: SideBand): Promise<Line> {
  for (;;) {
    const pkt = await pkts.next();
    if (pkt?.kind !== 'data') return { kind: pkt?.kind ?? 'nothing' };
    const payload = band.take(pkt.payload);
    if (!payload) continue;
    const text = textOf(payload);
    if (text.startsWith('ERR ')) refuse(text);
    return { kind: 'line', text };
  }
}

/** Takes the data band out of multiplexed packets; passes payloads through when they are not multiplexed. */
class SideBand {
  #progress = 0;
  readonly #isOn: boolean;

  constructor(isOn: boolean) {
    this.#isOn = isOn;
  }

  /** Data, or undefined for progress. */
  take(payload: Buffer): Buffer | undefined {
    if (!this.#isOn) return payload;
    const band = payload[0];
    if (band === 1) return payload.subarray(1);
    if (band === 3) refuse(`ERR ${textOf(payload.subarray(1))}`);
    if (band !== 2) throw new GitFormatError(`side band ${band ?? 'missing'}`);
    this.#progress += payload.length;
    if (this.#progress > maxProgressBytes)
      throw new GitFormatError(`more than ${maxProgressBytes} bytes of progress text`);
    return undefined;
  }
}

/** Lines of protocol 0 begin with a letter, packets of a side band with 1, 2 or 3. */
function isBand(payload: Buffer): boolean {
  return payload[0] === 1 || payload[0] === 2 || payload[0] === 3;
}

function refuse(line: string): never {
  if (line.startsWith('ERR ')) throw new GitFormatError(`the server answered with an error: ${show(line.slice(4))}`);
  throw new GitFormatError(`unexpected line ${show(line)}`);
}

function show(line: string): string {
  return JSON.stringify(line.slice(0, 300));
}
