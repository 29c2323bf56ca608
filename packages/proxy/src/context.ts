import type { Limits } from './limits/limits.js';
import type { LiveSessions } from './live-sessions.js';
import type { ProxySettings } from './options.js';
import type { Recorder } from './record/recorder.js';
import type { TrustedCatalogs } from './record/trusted-catalogs.js';
import type { AnswerMemory } from './reuse/answer-memory.js';
import type { Upstreams } from './upstream/upstreams.js';

/** What all exchanges share. */
export interface ProxyContext {
  readonly settings: ProxySettings;
  readonly upstreams: Upstreams;
  readonly recorder: Recorder;
  readonly catalogs: TrustedCatalogs;
  readonly live: LiveSessions;
  readonly limits: Limits;
  /** Approved answers of all sessions whose bodies may be here still. */
  readonly answers: AnswerMemory;
}
