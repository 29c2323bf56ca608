/**
 * A URL pattern as written and, where that differs, with its scheme's port in the normalised form: people copy URLs from
 * elsewhere, and those leave out `:443` and may carry `:80`.
 */
export function globVariants(pattern: string): string[] {
  const parts = /^(https?):\/\/([^/?#]*)(.*)$/is.exec(pattern);
  if (!parts) return [pattern];
  const [, scheme = '', authority = '', rest = ''] = parts;
  if (scheme.toLowerCase() === 'http') {
    const variant = `${scheme}://${authority.replace(/:80$/, '')}${rest}`;
    return variant === pattern ? [pattern] : [pattern, variant];
  }
  const port = /:[^\]:]*$/.test(authority.replace(/^\[[^\]]*\]/, ''));
  return port || authority === '' ? [pattern] : [pattern, `${scheme}://${authority}:443${rest}`];
}
