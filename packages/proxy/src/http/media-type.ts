/** Media type without parameters, lower case; empty when there is none. */
export function mediaTypeOf(contentType: string | undefined): string {
  return (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** Whether an `Accept` header prefers JSON to plain text; without a clear wish it does not. RFC 9110 §12.5.1. */
export function prefersJson(accept: string | undefined): boolean {
  let json = 0;
  let text = 0;
  for (const range of (accept ?? '').split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const quality = qualityOf(parameters);
    if (type === 'application/json' || /^application\/[a-z0-9!#$&^_.+-]+\+json$/.test(type))
      json = Math.max(json, quality);
    else if (type === 'text/plain' || type === 'text/*' || type === 'text/html') text = Math.max(text, quality);
  }
  return json > 0 && json >= text;
}

function qualityOf(parameters: readonly string[]): number {
  const found = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = found === undefined ? 1 : Number(found.slice(2));
  return Number.isFinite(quality) ? Math.min(Math.max(quality, 0), 1) : 0;
}
