/** Schemes whose credentials speak for one request each. */
const perRequest = /^(basic|bearer|digest|macaroon|token|apikey|hawk|oauth|hoba|aws4-hmac-sha256|goog4-\S+)(\s|$)/i;

/**
 * Whether a request may authenticate the whole connection, as NTLM and Negotiate do (RFC 4559 §6, RFC 9110 §11.6.2): such a
 * connection must not carry another request, which could be of another session. Schemes that nobody knows count as such.
 *
 * @param headers raw list
 */
export function authenticatesConnection(headers: readonly string[]): boolean {
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string;
    if (name.length !== 13 || name.toLowerCase() !== 'authorization') continue;
    if (!perRequest.test((headers[i + 1] as string).trim())) return true;
  }
  return false;
}
