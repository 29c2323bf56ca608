/** Hash with which a repository names its objects. */
export type ObjectFormat = 'sha1' | 'sha256';

/** Whether a text is a full object id of either format, in lower case. */
export function isObjectId(text: string | undefined): text is string {
  return text !== undefined && /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(text);
}

/** Format of a full object id. */
export function formatOf(oid: string): ObjectFormat {
  return oid.length === 64 ? 'sha256' : 'sha1';
}
