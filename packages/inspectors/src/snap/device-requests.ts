import { isUtf8 } from 'node:buffer';
import { AssertionError, parseAssertions } from './assertion.js';

/** What a device sends to be let in. */
export type DeviceRequest = 'nothing' | 'serial' | 'session';

const sessionKeys = new Set(['serial-assertion', 'model-assertion', 'device-session-request']);
const largest = 64 * 1024;

/** Why a body is not what a device sends for this, or undefined when it is: nothing else leaves with it. */
export function requestFault(kind: DeviceRequest, body: Uint8Array | undefined): string | undefined {
  const size = body?.length ?? 0;
  if (size > largest) return `${size} bytes, at most ${largest} are expected`;
  const text = Buffer.from(body ?? []);
  if (!isUtf8(text)) return 'not in UTF-8';
  if (kind === 'nothing') return /^(\{\s*\})?$/.test(text.toString('utf8').trim()) ? undefined : 'expected no body';
  return kind === 'serial' ? serialFault(text) : sessionFault(text.toString('utf8'));
}

function serialFault(bytes: Buffer): string | undefined {
  try {
    const types = parseAssertions(bytes).map(({ type }) => type);
    return types.every((type) => type === 'serial-request' || type === 'model') && types.includes('serial-request')
      ? undefined
      : `expected a serial-request, found ${types.slice(0, 5).join(', ')}`;
  } catch (error) {
    if (!(error instanceof AssertionError)) throw error;
    return error.message;
  }
}

function sessionFault(text: string): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return 'not JSON';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'expected a JSON object';
  const strange = Object.entries(value).find(([key, field]) => !sessionKeys.has(key) || typeof field !== 'string');
  return strange && `the field ${JSON.stringify(strange[0].slice(0, 100))}`;
}
