import { sessionReportSchema } from '@waybill/contracts';
import type {
  ControlAction,
  ControlCall,
  ExportedFiles,
  FetchAttempt,
  Moment,
  Reading,
  SeenEvent,
  SessionHistory,
} from '../model/history.js';
import type { ChaosDaemon } from './daemon.js';
import { digest } from './goods.js';

/** Counts moments: one for the whole run. */
export type Clock = () => Moment;

export function createClock(): Clock {
  let last = 0;
  return () => ++last;
}

/** A session and all that was seen of it so far. */
export interface KnownSession extends SessionHistory {
  readonly token: string;
  readonly attempts: FetchAttempt[];
  readonly calls: ControlCall[];
  readonly readings: Reading[];
  readonly events: SeenEvent[];
  readonly exports: ExportedFiles[];
  /** Clients may still be given it. Set false before it is revoked, or not: both happens. */
  isOffered: boolean;
  /** When a call was last confirmed; `performance.now()`. */
  changedAtMs: number;
}

export interface SessionsOptions {
  readonly daemon: ChaosDaemon;
  readonly clock: Clock;
}

/** Makes calls of the control API and writes down what came of them. */
export interface Sessions {
  /** undefined: no answer came. Somewhere there may be a session that nobody knows. */
  create(policy: 'strict' | 'permissive', timeoutSeconds?: number): Promise<KnownSession | undefined>;
  call(session: KnownSession, action: Exclude<ControlAction, 'report'>): Promise<number | undefined>;
  /** Asks for the report. */
  report(session: KnownSession): Promise<number | undefined>;
  /** Asks the control socket for the artifacts of a session in any state. */
  list(session: KnownSession): Promise<boolean>;
  /** Follows its events through every restart, until it is over. */
  follow(session: KnownSession): void;
  /** Sessions that the daemon may have made without telling us. */
  readonly unanswered: number;
  /** Whether it is one that we were told of. */
  isKnown(id: string): boolean;
}

export function createSessions({ daemon, clock }: SessionsOptions): Sessions {
  let unanswered = 0;
  const ids = new Set<string>();

  async function call(session: KnownSession, action: Exclude<ControlAction, 'report'>): Promise<number | undefined> {
    const path = {
      revoke: `/session/${session.id}/token`,
      end: `/session/${session.id}`,
      delete: `/resources/${session.id}`,
    };
    const begun = clock();
    const { status, text } = await daemon.control(
      'DELETE',
      path[action],
      action === 'revoke' ? { token: session.token } : undefined,
    );
    session.calls.push({
      action,
      begun,
      ended: clock(),
      status,
      note: status === 200 ? undefined : text.slice(0, 300),
    });
    return status;
  }

  return {
    get unanswered() {
      return unanswered;
    },
    isKnown: (id) => ids.has(id),
    async create(policy, timeoutSeconds = 0) {
      const { status, text } = await daemon.control('POST', '/session', { policy, timeout: timeoutSeconds });
      if (status === undefined || status >= 500) {
        unanswered++;
        return undefined;
      }
      if (status !== 200) throw new Error(`a session cannot be created: ${status} ${text}`);
      const { id, token } = JSON.parse(text) as { id: string; token: string };
      ids.add(id);
      const lists = { attempts: [], calls: [], readings: [], events: [], exports: [] };
      return {
        id,
        token,
        policy,
        created: clock(),
        mayExpire: timeoutSeconds > 0,
        ...lists,
        isOffered: true,
        changedAtMs: 0,
      };
    },
    call,
    async report(session) {
      const begun = clock();
      const { status, text } = await daemon.control('GET', `/session/${session.id}`);
      const ended = clock();
      const report = status === 200 ? parsed(text) : undefined;
      // A 200 that breaks off has said nothing.
      const answered = status === 200 && !report ? undefined : status;
      session.calls.push({ action: 'report', begun, ended, status: answered, note: text.slice(0, 300) });
      if (report) {
        session.readings.push({ kind: 'report', begun, ended, digest: digest('sha256', Buffer.from(text)), report });
      }
      return answered;
    },
    async list(session) {
      const begun = clock();
      const text = await daemon.socket({ operation: 'list-artifacts', payload: session.id });
      if (text === undefined) return false;
      const report = { artifacts: sessionReportSchema.shape.artifacts.parse(JSON.parse(text)) };
      session.readings.push({
        kind: 'artifacts',
        begun,
        ended: clock(),
        digest: digest('sha256', Buffer.from(text)),
        report,
      });
      return true;
    },
    follow(session) {
      const again = async () => {
        let isOver = false;
        while (!isOver && session.isOffered) {
          await daemon.follow(session.id, (event, data) => {
            isOver ||= event === 'end';
            session.events.push({
              at: clock(),
              event,
              url: String(data.url ?? ''),
              sha256: data.sha256 as string | undefined,
              time: String(data.time ?? ''),
            });
          });
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      void again();
    },
  };
}

function parsed(text: string): Reading['report'] | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  return sessionReportSchema.strict().parse(json);
}
