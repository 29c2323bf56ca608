/** Variables of the caller that every build gets. */
const always = /^(PATH|LANG|LANGUAGE|LC_[A-Z]+|TZ|USER|LOGNAME|SHELL|TERM|COLORTERM|NO_COLOR|SOURCE_DATE_EPOCH)$/;
/** Where packages come from: an origin, not a way around the session. */
const origins = /^npm_config_registry$/i;
/** What ordinary builds need to reach the network as the caller does. */
const network =
  /^((https?|all|no|ftp)_proxy|NODE_EXTRA_CA_CERTS|NODE_USE_ENV_PROXY|SSL_CERT_(FILE|DIR)|REQUESTS_CA_BUNDLE|CURL_CA_BUNDLE|GIT_SSL_CAINFO|(npm_config|pip|cargo|uv|yarn|pnpm_config)_[a-z0-9_]+|GO(PROXY|SUMDB|NOSUMDB|PRIVATE|FLAGS)|SSH_AUTH_SOCK|APT_CONFIG)$/i;

/** The caller's variables that a build starts from. Only an ordinary build gets those that say how to reach the network. */
export function carriedVariables(env: Readonly<NodeJS.ProcessEnv>, inSession: boolean): Record<string, string> {
  const kept = Object.entries(env).filter(
    ([name]) => always.test(name) || origins.test(name) || (!inSession && network.test(name)),
  );
  return Object.fromEntries(
    kept.flatMap(([name, value]) =>
      value === undefined ? [] : [[name, inSession && origins.test(name) ? withoutUser(value) : value]],
    ),
  );
}

function withoutUser(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/@]*@/i, '$1');
}
