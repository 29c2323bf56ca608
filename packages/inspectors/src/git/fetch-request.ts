import type { RequestView } from '@waybill/contracts';
import { GitFormatError } from './pkt-line.js';
import { type FetchRequest, parseUploadRequest } from './upload-request.js';

/** Several inspectors ask about the same request: its body is read once. */
const known = new WeakMap<RequestView, FetchRequest | null>();

/** The fetch that a request to `git-upload-pack` is; undefined for all others, and for what `git.upload-pack` refuses. */
export function fetchRequestOf(view: RequestView): FetchRequest | undefined {
  const found = known.get(view);
  if (found !== undefined) return found ?? undefined;
  const read = readFetch(view);
  known.set(view, read ?? null);
  return read;
}

function readFetch({ method, url, headers, body }: RequestView): FetchRequest | undefined {
  const type = headers.get('content-type')?.split(';')[0]?.trim().toLowerCase();
  if (method !== 'POST' || !url.pathname.endsWith('/git-upload-pack') || !body) return undefined;
  if (type !== 'application/x-git-upload-pack-request') return undefined;
  try {
    const request = parseUploadRequest(body);
    return request.command === 'fetch' ? request : undefined;
  } catch (error) {
    if (!(error instanceof GitFormatError)) throw error;
    return undefined;
  }
}
