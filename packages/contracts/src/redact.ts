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
  const fields = new Map<string, string[]>();
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase();
    const value = secretHeaders.has(name) ? redacted : stripControl(raw[i + 1] as string);
    const values = fields.get(name);
    if (values) values.push(value);
    else fields.set(name, [value]);
  }
  // Makes each an own property, whatever its name, of an object that is written out twice as fast as one without prototype.
  return Object.fromEntries(fields);
}

/** URL text without user info and with the values of well-known credential parameters replaced. */
export function redactUrl(url: string): string {
  // Up to the last @ of the authority: a password may hold one itself.
  const withoutUser = url.replace(/^([a-z][a-z0-9+.-]{0,30}:\/\/)[^/\\?#]*@/i, '$1');
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
  if (!mayHoldCredentials.test(text)) return stripControl(text);
  return stripControl(
    text
      // The length of a scheme is bounded: without that, text of many dots would take quadratic time.
      .replace(/\b([a-z][a-z0-9+.-]{0,30}:\/\/)[^\s/\\?#'"]+@/gi, `$1${redacted}@`)
      .replace(/\b(Basic|Bearer|macaroon)\s{1,20}[A-Za-z0-9+/=._~-]{8,}/gi, `$1 ${redacted}`),
  );
}

/** Most text holds none of these words, and this look is the cheaper one. */
const mayHoldCredentials = /:\/\/|basic|bearer|macaroon/i;

/**
 * Replaces what could drive a terminal, forge a line of a log or show text as something else: control characters (C0 except tab
 * and newline, DEL, C1), Unicode's line and paragraph separators, marks and overrides of direction, invisible characters and
 * tags.
 * @see https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing
 */
export function stripControl(text: string): string {
  return isPlain.test(text) ? text : text.replace(unsafe, '\ufffd');
}

/** Nearly all text is, and this look is the cheaper one. */
const isPlain = /^[\t\n\x20-\x7e]*$/;
/** U+200C and U+200D stay: scripts and emoji need them. */
const unsafe =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]|\p{Cs}/gu;
