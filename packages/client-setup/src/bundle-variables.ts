import type { Client } from './client.js';

/**
 * Variables that name a PEM bundle and nothing else, one client or library each. All of them replace the client's default
 * roots, hence the combined bundle. `SSL_CERT_DIR` is removed instead: its certificates are in the bundle.
 */
const names = [
  'SSL_CERT_FILE', // OpenSSL, LibreSSL, Go, Python's ssl, Ruby, rustls-native-certs, uv
  'CURL_CA_BUNDLE', // curl (not libcurl), requests
  'REQUESTS_CA_BUNDLE', // Python requests, poetry, conda
  'NIX_SSL_CERT_FILE', // programs out of nixpkgs
  'AWS_CA_BUNDLE', // AWS SDKs
  'HTTPLIB2_CA_CERTS', // Python httplib2
  'GRPC_DEFAULT_SSL_ROOTS_FILE_PATH', // gRPC core
  'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE', // gcloud
  'BUNDLE_SSL_CA_CERT', // Ruby bundler
  'DENO_CERT', // Deno
  'PERL_LWP_SSL_CA_FILE', // Perl LWP
  'HTTPS_CA_FILE', // Perl Crypt::SSLeay
] as const;

/** Trust for everything that takes a bundle from a variable of its own. */
export const bundleVariables: Client = ({ bundle }) => ({
  env: Object.fromEntries(names.map((name) => [name, bundle])),
});
