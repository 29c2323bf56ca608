import type { LiveSessions } from './live-sessions.js';
import type { ProxySettings } from './options.js';
import type { Recorder } from './record/recorder.js';
import type { TrustedCatalogs } from './record/trusted-catalogs.js';
import type { Upstreams } from './upstream/upstreams.js';

/** What all exchanges share. */
export interface ProxyContext {
  readonly settings: ProxySettings;
  readonly upstreams: Upstreams;
  readonly recorder: Recorder;
  readonly catalogs: TrustedCatalogs;
  readonly live: LiveSessions;
}
