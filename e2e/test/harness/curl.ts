import { readFile } from 'node:fs/promises';
import { type Ran, run } from './run.js';
import type { Session } from './session.js';
import { createTempDir } from './temp-dir.js';

/** What curl got. */
export interface CurlResult extends Ran {
  /** Of the last response; 0 when there was none. */
  readonly status: number;
  /** Answer to CONNECT; 0 without one. */
  readonly connectStatus: number;
  /** Header block of the last response (trailers behind it), as it came. */
  readonly head: string;
  /** Body as it came, complete or not. */
  readonly body: Buffer;
  /** Body as text. */
  readonly text: string;
  /** A header of the last response by its lower-case name. */
  header(name: string): string | undefined;
}

export interface CurlOptions {
  /** Proxy credentials instead of the session's, `id:token`; `''` sends none. */
  readonly proxyUser?: string;
  readonly timeoutMs?: number;
}

/** What a client has to know of a session. */
export type ProxyAccess = Pick<Session, 'id' | 'token' | 'proxyOrigin' | 'caFile'>;

/** The real curl through a session's proxy. Never throws for what it gets. */
export async function curl(
  session: ProxyAccess,
  url: string,
  args: readonly string[] = [],
  options: CurlOptions = {},
): Promise<CurlResult> {
  const dir = await createTempDir();
  try {
    const { proxyUser = `${session.id}:${session.token}` } = options;
    const ran = await run(
      'curl',
      [
        '--disable',
        '--silent',
        '--show-error',
        '--no-progress-meter',
        '--proxy',
        session.proxyOrigin,
        ...(proxyUser === '' ? [] : ['--proxy-user', proxyUser]),
        '--cacert',
        session.caFile,
        '--suppress-connect-headers',
        '--dump-header',
        dir.at('head'),
        '--output',
        dir.at('body'),
        '--write-out',
        '%{response_code} %{http_connect}',
        ...args,
        url,
      ],
      { timeoutMs: options.timeoutMs },
    );
    const [status = 0, connectStatus = 0] = ran.stdout.split(' ').map(Number);
    const body = await readFile(dir.at('body')).catch(() => Buffer.alloc(0));
    const head = await readFile(dir.at('head'), 'latin1').catch(() => '');
    return {
      ...ran,
      status,
      connectStatus,
      head,
      body,
      text: body.toString('utf8'),
      header: (name) => new RegExp(`^${name}: *(.*?)\\r?$`, 'im').exec(head)?.[1],
    };
  } finally {
    await dir.close();
  }
}
