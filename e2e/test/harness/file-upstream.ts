import { startHttpsUpstream, type ThrowawayCa } from '@waybill/testkit';

/** What an upstream sends. */
export interface FileAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** Changes the answer for a path; undefined: sends nothing else than the file. */
export type Tamper = (path: string, given: FileAnswer) => FileAnswer | undefined;

/** A static https server: every ecosystem here is a directory with the right files in it. */
export interface FileUpstream {
  /** `https://<host>:<port>`, without a slash at the end. */
  readonly origin: string;
  /** `METHOD path`, in order. */
  readonly requests: readonly string[];
  /** @param path with a slash at its front */
  put(path: string, body: string | Uint8Array, contentType?: string): void;
  /** The honest bytes. */
  content(path: string): Buffer;
  tamper(how: Tamper | undefined): void;
  close(): Promise<void>;
}

/** @param host the name in `origin`; nothing has to resolve it where a forward proxy does */
export async function startFileUpstream(ca: ThrowawayCa, host = 'localhost'): Promise<FileUpstream> {
  const files = new Map<string, FileAnswer>();
  const requests: string[] = [];
  let tamper: Tamper | undefined;
  const missing: FileAnswer = { status: 404, headers: { 'content-type': 'text/plain' }, body: Buffer.from('not here') };
  const upstream = await startHttpsUpstream(
    (request, response) => {
      requests.push(`${request.method} ${request.url}`);
      request.resume();
      const path = decodeURIComponent(new URL(request.url ?? '/', 'https://files.invalid').pathname);
      const given = files.get(path) ?? missing;
      const { status, headers, body } = tamper?.(path, given) ?? given;
      response.writeHead(status, { ...headers, 'content-length': String(body.length) });
      response.end(request.method === 'HEAD' ? undefined : body);
    },
    { ca, host },
  );
  return {
    origin: upstream.url,
    requests,
    put(path, body, contentType = 'application/octet-stream') {
      files.set(path, { status: 200, headers: { 'content-type': contentType }, body: Buffer.from(body) });
    },
    content(path) {
      const file = files.get(path);
      if (!file) throw new Error(`the upstream has no ${path}`);
      return file.body;
    },
    tamper(how) {
      tamper = how;
    },
    close: () => upstream.close(),
  };
}
