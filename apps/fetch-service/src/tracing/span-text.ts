import { redactText, redactUrl } from '@waybill/contracts';

/** Longest text of an attribute: what servers and clients said goes into some of them. */
const longest = 300;

/** Free text without credentials and without query strings, which may hold them under any name. */
export function spanText(text: string): string {
  return cut(redactText(text).replace(/(\bhttps?:\/\/[^\s?"')]*)\?[^\s"')]*/gi, '$1?…'));
}

/** Where a request goes, without its query. */
export function spanUrl(url: string): {
  readonly full: string;
  readonly server: Readonly<Record<string, string | number>>;
} {
  const full = cut((redactUrl(url).split('?', 1)[0] as string).replace(/#.*$/, ''));
  const { hostname, port, protocol } = URL.canParse(full) ? new URL(full) : { hostname: '', port: '', protocol: '' };
  if (hostname === '') return { full, server: {} };
  const standard = protocol === 'https:' ? 443 : 80;
  return { full, server: { 'server.address': hostname, 'server.port': Number(port || standard) } };
}

function cut(text: string): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1)}…`;
}
