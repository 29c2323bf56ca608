/** What stands where a secret stood. */
export const redacted = '[redacted]';

const secretHeaders = new Set([
  'authorization',
  'proxy-authorization',
  'cookie',
  'set-cookie',
  'x-auth-token',
  'x-subject-token',
  'x-api-key',
  'private-token',
  'job-token',
]);

const secretParameter =
  /^(access[_-]?token|id[_-]?token|refresh[_-]?token|token|api[_-]?key|apikey|auth|password|passwd|secret|client[_-]?secret|signature|sig|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature|x-goog-credential)$/i;

/** Whether a header's value is a credential and must not be recorded or logged. */
export function isSecretHeader(name: string): boolean {
  return secretHeaders.has(name.toLowerCase());
}

/**
 * Header map for a record: lower-case names, values in order, credentials replaced. The input is Node's raw header list
 * (name, value, name, value …).
 */
export function redactHeaders(raw: readonly string[]): Record<string, string[]> {
  const out: Record<string, string[]> = Object.create(null);
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    out[name] ??= [];
    out[name].push(isSecretHeader(name) ? redacted : stripControl(raw[i + 1] as string));
  }
  return { ...out };
}

/** URL text without user info and with the values of well-known credential parameters replaced. */
export function redactUrl(url: string): string {
  const withoutUser = url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/?#@]*@/i, '$1');
  const query = withoutUser.indexOf('?');
  if (query < 0) return stripControl(withoutUser);
  const parameters = withoutUser
    .slice(query + 1)
    .split('&')
    .map((pair) => {
      const equals = pair.indexOf('=');
      const name = equals < 0 ? pair : pair.slice(0, equals);
      return equals >= 0 && secretParameter.test(name) ? `${name}=${redacted}` : pair;
    });
  return stripControl(`${withoutUser.slice(0, query)}?${parameters.join('&')}`);
}

/** Free text without URL credentials, `Basic …`/`Bearer …` values and control characters: for logs, errors and terminals. */
export function redactText(text: string): string {
  return stripControl(
    text
      .replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/?#@'"]+@/gi, `$1${redacted}@`)
      .replace(/\b(Basic|Bearer|macaroon)\s+[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${redacted}`),
  );
}

/** Replaces control characters (C0 except tab and newline, DEL, C1, bidirectional overrides) so that text cannot drive a terminal or forge log lines. */
export function stripControl(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd');
}
