const headerBytes = 12;
const typeA = 1;
const classInternet = 1;
const answerSeconds = 300;

/** Response flags of RFC 1035 §4.1.1: an answer, with authority, recursion wanted and available. */
const flags = { found: 0x8580, unknownName: 0x8583 };

/**
 * Answers one DNS query (RFC 1035 §4): 127.0.0.1 for IPv4 addresses of names that end in `suffix`, nothing for their other
 * types, and "no such name" for all others.
 * @returns undefined for what is no query with one question
 */
export function answerQuery(query: Buffer, suffix: string): Buffer | undefined {
  if (query.length < headerBytes || query.readUInt16BE(2) & 0x8000 || query.readUInt16BE(4) !== 1) return undefined;
  const name = readName(query);
  if (!name || query.length < name.end + 4) return undefined;
  const type = query.readUInt16BE(name.end);
  const known = name.text.toLowerCase().endsWith(suffix);
  const answers = known && type === typeA && query.readUInt16BE(name.end + 2) === classInternet;
  const header = Buffer.alloc(headerBytes);
  query.copy(header, 0, 0, 2);
  header.writeUInt16BE(known ? flags.found : flags.unknownName, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(answers ? 1 : 0, 6);
  const question = query.subarray(headerBytes, name.end + 4);
  return Buffer.concat(answers ? [header, question, loopbackRecord()] : [header, question]);
}

/** The name of the question; one that is compressed or cut off is none. */
function readName(query: Buffer): { text: string; end: number } | undefined {
  const labels: string[] = [];
  let at = headerBytes;
  for (;;) {
    const length = query[at];
    if (length === undefined || length > 63 || at + length >= query.length) return undefined;
    if (length === 0) return { text: labels.join('.'), end: at + 1 };
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
}

/** An A record whose name is a pointer to the question's. */
function loopbackRecord(): Buffer {
  const record = Buffer.alloc(16);
  record.writeUInt16BE(0xc000 | headerBytes, 0);
  record.writeUInt16BE(typeA, 2);
  record.writeUInt16BE(classInternet, 4);
  record.writeUInt32BE(answerSeconds, 6);
  record.writeUInt16BE(4, 10);
  record.set([127, 0, 0, 1], 12);
  return record;
}
