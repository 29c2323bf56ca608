/** Fetches a small document; undefined when it is not to be had. Replaced in tests. */
export type FetchText = (url: string, accept: string) => Promise<string | undefined>;

const timeoutMs = 10_000;
const mostBytes = 16 << 20;

/** With Node's own client; proxies of the environment are used where Node is told so. */
export const fetchText: FetchText = async (url, accept) => {
  try {
    const response = await fetch(url, { headers: { accept }, signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok || Number(response.headers.get('content-length') ?? 0) > mostBytes) return undefined;
    const text = await response.text();
    return text.length > mostBytes ? undefined : text;
  } catch {
    return undefined;
  }
};
