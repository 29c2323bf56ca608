import type { SessionRecord } from '@waybill/contracts';
import type { ExchangeEvent } from '@waybill/proxy';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Tells a tracing backend what happens: a trace per session, a span per request. Never sends anything to upstreams. */
export interface Tracing {
  exchangeFinished(event: ExchangeEvent): void;
  /** The session takes no more downloads. */
  sessionOver(session: SessionRecord): void;
  /** Sends what waits, for a while. */
  close(): Promise<void>;
}
