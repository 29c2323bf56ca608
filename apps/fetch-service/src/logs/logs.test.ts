import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { movableClock } from '../../test/fakes.js';
import { openLogFile } from './log-file.js';
import { createSecurityLog } from './security-log.js';
import { createServiceLogger, type Verbosity } from './service-logger.js';

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'waybill-logs-'));
});
afterEach(() => rm(directory, { recursive: true }));

function logged(
  verbosity: Verbosity,
  write: (logger: ReturnType<typeof createServiceLogger>) => void,
): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createServiceLogger({ write: (line) => void lines.push(line) }, verbosity));
  return lines.map((line) => JSON.parse(line));
}

describe('the log', () => {
  it('is one JSON object a line, from its verbosity up', () => {
    const all = (logger: ReturnType<typeof createServiceLogger>) => {
      logger.debug({ n: 1 }, 'd');
      logger.info({}, 'i');
      logger.warn({}, 'w');
      logger.error({}, 'e');
    };
    expect(logged('warning', all).map(({ level }) => level)).toEqual(['warn', 'error']);
    expect(logged('debug', all)).toHaveLength(4);
    expect(logged('debug', all)[0]).toMatchObject({
      level: 'debug',
      msg: 'd',
      n: 1,
      time: expect.stringMatching(/Z$/),
    });
  });

  it('holds no secret, whatever it is given', () => {
    const secrets = {
      token: 'hunter2',
      'basic-credentials': 'u:hunter2',
      headers: { authorization: 'hunter2', cookie: 'hunter2' },
    };
    const [line] = logged('info', (logger) =>
      logger.info(
        {
          ...secrets,
          nested: { list: [{ password: 'hunter2' }] },
          url: 'https://u:hunter2@h.example/x?token=hunter2',
          text: 'GET http://id:hunter2@127.0.0.1:9988/ Basic aHVudGVyMjpodW50ZXIy',
          error: new Error('at https://u:hunter2@h.example/'),
        },
        'proxy http://id:hunter2@h/',
      ),
    );
    expect(JSON.stringify(line)).not.toMatch(/hunter2|aHVudGVyMjpodW50ZXIy/);
  });

  it('cannot be broken up or driven by what it shows', () => {
    const [line] = logged('info', (logger) => logger.info({ agent: 'x\u001b[2J\u202e' }, 'a\rb'));
    expect(JSON.stringify(line)).not.toMatch(/\\u001b|\\r|\u202e/);
  });

  it('shows cycles and depths bounded', () => {
    const ring: Record<string, unknown> = {};
    ring.self = ring;
    expect(logged('info', (logger) => logger.info({ ring }, 'x'))).toHaveLength(1);
  });
});

describe('a log file', () => {
  it('is appended to, and opened anew after it was moved away', async () => {
    const path = join(directory, 'sub', 'service.log');
    const file = await openLogFile(path);
    file.write('one\n');
    await rename(path, `${path}.1`);
    file.write('two\n');
    file.reopen();
    file.write('three\n');
    expect(await readFile(`${path}.1`, 'utf8')).toBe('one\ntwo\n');
    expect(await readFile(path, 'utf8')).toBe('three\n');
  });

  it('that cannot be opened is named', async () => {
    await writeFile(join(directory, 'file'), '');
    await expect(openLogFile(join(directory, 'file', 'x.log'))).rejects.toMatchObject({ code: 'FETCH_LOG_UNWRITABLE' });
    await expect(openLogFile(directory)).rejects.toMatchObject({ code: 'FETCH_LOG_UNWRITABLE' });
  });
});

describe('the security log', () => {
  it('has the fields of specs §6.7', () => {
    const lines: string[] = [];
    const log = createSecurityLog((line) => void lines.push(line), movableClock());
    log.event('WARN', 'authn_login_fail:mallory\nx', 'refused', {
      client_ip: '192.0.2.1',
      request_url: '/session',
      user_agent: undefined,
    });
    expect(lines[0]?.endsWith('\n')).toBe(true);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({
      datetime: '2026-01-02T03:00:00.000Z',
      appid: expect.stringMatching(/^fetch-service:\d/),
      type: 'security',
      hostname: expect.any(String),
      level: 'WARN',
      event: expect.stringMatching(/^authn_login_fail:mallory/),
      client_ip: '192.0.2.1',
      request_url: '/session',
      version: expect.any(String),
    });
    expect(lines[0]?.trim().split('\n')).toHaveLength(1);
  });
});
