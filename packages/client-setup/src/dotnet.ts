import type { Client } from './client.js';

/**
 * .NET follows the proxy variables, credentials included, and on Linux `SSL_CERT_FILE`. Packages and caches lie in the session.
 * Telemetry and certificate revocation lists are no downloads of the build: a strict session would refuse them.
 */
export const dotnet: Client = ({ inside }) => ({
  env: {
    NUGET_PACKAGES: inside('dotnet/packages'),
    NUGET_HTTP_CACHE_PATH: inside('dotnet/http-cache'),
    NUGET_CERT_REVOCATION_MODE: 'offline',
    DOTNET_CLI_TELEMETRY_OPTOUT: '1',
  },
});
