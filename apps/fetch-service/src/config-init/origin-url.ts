/** A URL as patterns are written: user info gone, `:443` explicit, glob characters escaped, `/**` at the end. */
export function globBelow(url: URL): string {
  const port = url.port || (url.protocol === 'https:' ? '443' : '');
  const path = url.pathname.replace(/\/+$/, '');
  return `${url.protocol}//${url.hostname}${port ? `:${port}` : ''}${escapeGlob(path)}/**`;
}

/** The URL's text without user info, query and fragment. */
export function withoutCredentials(url: URL): string {
  return `${url.origin}${url.pathname}`;
}

/** An http or https URL, or undefined. */
export function parseHttpUrl(text: string): URL | undefined {
  const url = URL.parse(text);
  return url && /^https?:$/.test(url.protocol) ? url : undefined;
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]{}]/g, '\\$&');
}
