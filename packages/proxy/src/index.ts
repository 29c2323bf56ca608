export { ProxyError, type ProxyErrorCode } from './errors.js';
export type { AuthenticationFailureEvent, ExchangeEvent, ProxyObserver } from './observer.js';
export type { Lookup, ProxyLimits, ProxyOptions, UpstreamOptions } from './options.js';
export { createProxy, type ProxyServer, type ProxyStats } from './proxy-server.js';
