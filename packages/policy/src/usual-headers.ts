/**
 * Fields that clients of package services send by themselves: those of HTTP that describe what is wanted or who asks, and
 * those of npm (and its libraries), git, cargo, Maven, OCI and snap clients.
 */
const usual = new Set([
  'accept',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'authorization',
  'cache-control',
  'cache-store',
  'cargo-protocol',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'cookie',
  'date',
  'expect',
  'expires',
  'git-protocol',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'keep-alive',
  'pragma',
  'range',
  'referer',
  'te',
  'transfer-encoding',
  'upgrade-insecure-requests',
  'user-agent',
  'x-device-authorization',
]);

/** Bytes of the fields that no known client sends, names and values. */
export function unusualHeaderBytes(raw: readonly string[]): number {
  let bytes = 0;
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] as string;
    if (!isUsual(name.toLowerCase())) bytes += name.length + (raw[at + 1] as string).length;
  }
  return bytes;
}

function isUsual(name: string): boolean {
  return (
    usual.has(name) ||
    name.startsWith('npm-') ||
    name.startsWith('snap-') ||
    name.startsWith('pacote-') ||
    name.startsWith('proxy-')
  );
}
