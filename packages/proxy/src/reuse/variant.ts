import { hash } from 'node:crypto';
import { headerView, listMembers, type RawHeaders } from '../http/headers.js';
import type { RememberedAnswer } from './answer-memory.js';

/** Fields of an outgoing request that an answer may depend on, whatever the upstream says. */
export interface RequestVariant {
  readonly variant: string;
  readonly isPrivate: boolean;
}

/** Fields that say who asks and how, not what for nor with which right. */
const ofTheMoment = new Set([
  'accept-charset',
  'accept-encoding',
  'cache-control',
  'cache-store',
  'cargo-protocol',
  'connection',
  'date',
  'expires',
  'keep-alive',
  'pragma',
  'referer',
  'te',
  'upgrade-insecure-requests',
  'user-agent',
]);
/** npm and its libraries tell the command, the session and the package in fields of their own; a one-time password too. */
const ofNpm = /^(?:npm|pacote)-(?!otp)/;
/** `Vary` is the upstream's text: more than this is not worth remembering. */
const mostVaryFields = 8;
const longestValue = 512;

/**
 * What tells this request from others for the same URL. Any field that is not known for something else may be a credential,
 * and requests with different credentials never share an answer. What the client accepts is part of it because some
 * registries choose by it without saying so.
 * @param headers raw list as the upstream gets it, injected credentials among it
 */
export function variantOf(headers: RawHeaders): RequestVariant {
  const accepted: string[] = [];
  const others: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase();
    if (isAccepted(name)) accepted.push(`${name}:${headers[i + 1]}`);
    else if (!isOfTheMoment(name)) others.push(`${name}:${headers[i + 1]}`);
  }
  const accepts = accepted.join('\n');
  if (others.length === 0) return { variant: accepts, isPrivate: false };
  return { variant: `${hash('sha256', others.sort().join('\n'), 'base64url')}\n${accepts}`, isPrivate: true };
}

/** Fields that `Vary` names and the variant does not hold; undefined when the answer is for no other request, or that cannot be told. */
export function varyOf(vary: string | undefined, headers: RawHeaders): Record<string, string> | undefined {
  const names = listMembers(vary);
  if (names.includes('*') || names.length > mostVaryFields) return undefined;
  const view = headerView(headers);
  const values = names
    .filter((name) => name !== 'accept-encoding' && isOfTheMoment(name))
    .map((name) => [name, view.get(name) ?? ''] as const);
  return values.some(([, value]) => value.length > longestValue) ? undefined : Object.fromEntries(values);
}

/** Whether an answer was given for a request like this one. */
export function isAnswerTo(answer: RememberedAnswer, headers: RawHeaders, { variant }: RequestVariant): boolean {
  if (answer.variant !== variant) return false;
  const fields = Object.entries(answer.vary);
  if (fields.length === 0) return true;
  const view = headerView(headers);
  return fields.every(([name, value]) => (view.get(name) ?? '') === value);
}

function isAccepted(name: string): boolean {
  return name === 'accept' || name === 'accept-language';
}

function isOfTheMoment(name: string): boolean {
  return ofTheMoment.has(name) || ofNpm.test(name);
}
