import type { ActiveSession, RequestView } from '@waybill/contracts';
import { withoutFields } from '../http/headers.js';
import type { RequestBody } from '../steps/request-body.js';
import { headlines, Stop } from '../stop.js';
import { rewriteTokenRequest } from './keystone.js';

/** Headers and body of a request on its way upstream. */
export interface Injected {
  readonly headers: readonly string[];
  readonly body: RequestBody;
}

/**
 * Applies the session's credential for this URL, replacing what the client sent in its place. Nothing that is recorded, logged
 * or answered is derived from the result (promise 6).
 *
 * @throws Stop when the credential is lost or does not fit the request
 * @see specs/fetch-service.md §3.6
 */
export function injectCredential(session: ActiveSession, view: RequestView, message: Injected): Injected {
  const credential = session.credentialFor(view.normalizedUrl);
  switch (credential?.type) {
    case undefined:
      return message;
    case 'header': {
      const name = credential.name.toLowerCase();
      const others = withoutFields(message.headers, (field) => field === name);
      return { ...message, headers: [...others, credential.name, credential.value] };
    }
    case 'keystone-v3':
      return withTokenRequest(credential, view, message);
    case 'lost':
      throw new Stop({
        kind: 'refusal',
        phase: 'request',
        status: 403,
        headline: headlines.denied,
        reason: 'the session has a secret for this URL, but the service was restarted and does not know it any more',
        hint: 'create a new session with its secrets',
      });
  }
}

function withTokenRequest(
  credential: { readonly user: string; readonly password: string },
  view: RequestView,
  { headers, body }: Injected,
): Injected {
  if (body.kind === 'stream')
    throw unusable(413, headlines.tooLarge, 'the token request is larger than the inspection limit');
  const rewritten = view.body && rewriteTokenRequest(view.body, credential);
  if (!rewritten) {
    throw unusable(
      500,
      headlines.requests,
      'a keystone-v3 secret matches this URL, but the request is no token request with auth.identity.password.user',
    );
  }
  const isStale = (name: string) => name === 'content-encoding' || name === 'content-md5' || name.endsWith('-digest');
  return { headers: withoutFields(headers, isStale), body: { kind: 'whole', bytes: rewritten } };
}

function unusable(status: number, headline: string, reason: string): Stop {
  return new Stop({
    kind: 'refusal',
    phase: 'request',
    status,
    headline,
    reason,
    hint: 'narrow the URL of the secret to the token endpoint (…/v3/auth/tokens)',
    closes: status === 413,
  });
}
