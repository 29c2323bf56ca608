/** Fields of one connection, not of the message (RFC 9110 §7.6.1), and those that are ours to write. */
const dropped = new Set([
  ...['connection', 'keep-alive', 'transfer-encoding', 'te', 'upgrade', 'expect'],
  ...['proxy-authorization', 'proxy-connection'],
]);

/** Node's raw header list without fields of the connection, including those that its `Connection` field names. */
export function endToEnd(raw: readonly string[]): string[] {
  const named = new Set<string>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    if (raw[i]?.toLowerCase() !== 'connection') continue;
    for (const name of (raw[i + 1] as string).split(',')) named.add(name.trim().toLowerCase());
  }
  const kept: string[] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    // A message keeps its length whatever somebody puts into Connection: without it, its end would be guessed.
    const isNamed = named.has(name) && name !== 'content-length' && name !== 'host';
    if (!dropped.has(name) && !isNamed) kept.push(raw[i] as string, raw[i + 1] as string);
  }
  return kept;
}

/** A raw header list as pairs. */
export function headerPairs(raw: readonly string[]): [name: string, value: string][] {
  const list: [string, string][] = [];
  for (let i = 0; i + 1 < raw.length; i += 2) list.push([raw[i] as string, raw[i + 1] as string]);
  return list;
}
