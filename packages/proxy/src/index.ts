export { ProxyError, type ProxyErrorCode } from './errors.js';
export type { LimitName } from './limits/limit-name.js';
export type { ReadRecordedUse, RecordedUse } from './limits/session-use.js';
export type { AuthenticationFailureEvent, ExchangeEvent, ProxyObserver } from './observer.js';
export type { Lookup, ProxyLimits, ProxyOptions, UpstreamOptions } from './options.js';
export { type Phase, type PhaseEnds, phases } from './phases.js';
export { type CloseOptions, createProxy, type ProxyServer, type ProxyStats } from './proxy-server.js';
export { type AnswerLog, type AnswerLogOptions, openAnswerLog } from './reuse/answer-log.js';
export { type AnswerMemory, createAnswerMemory, type RememberedAnswer } from './reuse/answer-memory.js';
