import { type ExchangeRecord, type RefusalBody, type RefusalRecord, redactText, redactUrl } from '@waybill/contracts';
import type { ProxyContext } from '../context.js';
import type { Exchange } from '../exchange.js';
import { prefersJson } from '../http/media-type.js';
import { companionRecords } from '../record/companion-records.js';
import { isSessionOver } from '../record/recorder.js';
import { refusalRecord } from '../record/records.js';
import { internalStop, Stop, type StopFacts } from '../stop.js';
import { authenticationRequired } from './authenticate.js';

/**
 * The end of an exchange that a step stopped: record it, then tell the client, or break the transfer off. Never rejects: there
 * is nobody behind it.
 */
export async function refuse(exchange: Exchange, context: ProxyContext, error: unknown): Promise<void> {
  const { logger } = context.settings;
  try {
    if (!(error instanceof Stop))
      logger.error({ error: describeError(error) }, 'an exchange failed for no foreseen reason');
    await recordAndTell(exchange, context, error instanceof Stop ? error : internalStop(error));
  } catch (fault) {
    logger.error({ error: describeError(fault) }, 'a client cannot be told that its exchange failed');
    exchange.client.break('reset');
  }
}

async function recordAndTell(exchange: Exchange, context: ProxyContext, { facts }: Stop): Promise<void> {
  const { logger, clock } = context.settings;
  exchange.holdBackHeaders();
  exchange.refusal = { ...facts, delivered: false };
  if (exchange.session) {
    const status = exchange.client.isStarted || !exchange.client.isOpen ? 0 : facts.status;
    const record = refusalRecord(exchange, { facts, at: clock.now(), status, delivered: false });
    const fetched = exchange.isRecorded ? [] : companionRecords(exchange);
    await recordEnd(context, record, fetched).catch((cause: unknown) => {
      logger.error({ session: exchange.session?.id, error: describeError(cause) }, 'a refusal cannot be recorded');
    });
  }
  await answerRefusal(exchange, context, facts);
}

/** A session that is over takes no answers any more, but still how an exchange ended. */
async function recordEnd({ recorder }: ProxyContext, end: RefusalRecord, fetched: readonly ExchangeRecord[]) {
  try {
    await recorder.record([end, ...fetched]);
  } catch (error) {
    if (fetched.length === 0 || !isSessionOver(error)) throw error;
    await recorder.record([end]);
  }
}

/** Tells the client why it gets nothing; when something went out already, the transfer is broken off instead. */
export async function answerRefusal(exchange: Exchange, context: ProxyContext, facts: StopFacts): Promise<void> {
  const { client } = exchange;
  exchange.refusal ??= { ...facts, delivered: false };
  if (client.isStarted || !client.isOpen) {
    client.break(facts.kind === 'refusal' ? 'reset' : 'close');
    return;
  }
  const json = prefersJson(exchange.incoming.request.headers.accept);
  const body = json ? `${JSON.stringify(refusalBody(exchange, facts))}\n` : `${refusalLine(facts)}\n`;
  const type = json ? 'application/json; charset=utf-8' : 'text/plain; charset=utf-8';
  const retry = facts.retryAfterSeconds === undefined ? [] : ['Retry-After', String(facts.retryAfterSeconds)];
  await answer(exchange, context, {
    status: facts.status,
    statusText: json ? reasonPhrase(facts) : `${reasonPhrase(facts)}: ${shortReason(facts)}`,
    headers: ['Content-Type', type, 'X-Content-Type-Options', 'nosniff', 'Cache-Control', 'no-store', ...retry],
    body,
    closes: facts.closes === true,
  });
}

/** 407, the same for every cause. */
export async function refuseCredentials(exchange: Exchange, context: ProxyContext): Promise<void> {
  await answer(exchange, context, { ...authenticationRequired, closes: true });
}

interface OwnAnswer {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly string[];
  readonly body: string;
  readonly closes: boolean;
}

async function answer(exchange: Exchange, context: ProxyContext, own: OwnAnswer): Promise<void> {
  const { client, incoming } = exchange;
  const isUnread = !incoming.request.complete;
  const headers = [...own.headers, 'Content-Length', String(Buffer.byteLength(own.body))];
  if (own.closes || isUnread) headers.push('Connection', 'close');
  client.start({ status: own.status, statusText: own.statusText, headers });
  if (!isUnread || incoming.request.method === 'HEAD') return client.end(own.body);
  // Closing on top of unread data resets the connection, and the client would lose the answer that it has not read yet.
  await client.write(Buffer.from(own.body));
  await discard(exchange, context.settings.limits.drainBytes);
  client.end();
}

const lingerMs = 2_000;

async function discard(exchange: Exchange, maxBytes: number): Promise<void> {
  const { request } = exchange.incoming;
  let size = 0;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, lingerMs);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) done();
    });
    request.once('end', done).once('close', done);
    request.resume();
  });
  request.pause();
}

/** One line that a person and a search in a log understand. */
function refusalLine({ headline, reason, hint, inspector }: StopFacts): string {
  const who = inspector && !reason.startsWith(`${inspector}:`) ? ` [${inspector}]` : '';
  const next = hint ? ` (${hint})` : '';
  return oneLine(`${headline}: ${reason}${who}${next}`);
}

/** apt keeps 359 characters of it. */
const reasonPhraseCharacters = 300;

/**
 * Many clients drop the body of an error and show the reason phrase instead: apt, npm for tarballs, wget, Python's, Maven. What to
 * do is in it where there is room; digests give way for that, as body and report have them in full.
 */
function shortReason({ reason, hint }: StopFacts): string {
  const text = printable(reason);
  const next = hint ? ` (${printable(hint)})` : '';
  const brief = text.replace(/\b([0-9a-f]{12})[0-9a-f]{28,116}\b/g, '$1~');
  const fitting = [text + next, brief + next, text].find(({ length }) => length <= reasonPhraseCharacters);
  return fitting ?? `${text.slice(0, reasonPhraseCharacters - 1)}~`;
}

function printable(text: string): string {
  return oneLine(text).replace(/[^\x20-\x7e]/g, '?');
}

function reasonPhrase({ status }: StopFacts): string {
  return reasonPhrases[status] ?? 'Refused';
}

function refusalBody(exchange: Exchange, facts: StopFacts): RefusalBody {
  const { reason, hint, inspector } = facts;
  const url = exchange.request?.normalizedUrl ?? exchange.incoming.request.url ?? '';
  const line = refusalLine(facts);
  return {
    // npm shows this member and nothing else, so it says all; git-lfs and yarn show `message`.
    error: line,
    message: line,
    reason: oneLine(reason),
    ...(inspector !== undefined && { inspector }),
    url: redactUrl(url),
    ...(hint !== undefined && { hint: oneLine(hint) }),
    ...(exchange.session && { 'session-id': exchange.session.id }),
  };
}

function oneLine(text: string): string {
  return redactText(text).replace(/\s+/g, ' ').trim().slice(0, 2_000);
}

function describeError(error: unknown): string {
  if (!(error instanceof Error)) return redactText(String(error));
  return redactText(error.stack ?? `${error.name}: ${error.message}`).slice(0, 4_000);
}

const reasonPhrases: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  403: 'Forbidden',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  413: 'Content Too Large',
  414: 'URI Too Long',
  417: 'Expectation Failed',
  421: 'Misdirected Request',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
