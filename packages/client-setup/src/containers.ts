import type { Client } from './client.js';

/**
 * podman, skopeo and buildah are written in Go: proxy variables and `SSL_CERT_FILE` do for them. Logins of the user stay
 * outside (sessions inject credentials). docker's command line hands its proxies to containers; its daemon is not in the
 * session, and cannot be.
 */
export const containers: Client = ({ proxy, inside }) => ({
  env: { REGISTRY_AUTH_FILE: inside('containers/auth.json'), DOCKER_CONFIG: inside('containers/docker') },
  files: [
    { name: 'containers/auth.json', content: '{}\n', description: 'logins of podman, skopeo and buildah: none' },
    {
      name: 'containers/docker/config.json',
      content: `${JSON.stringify({ proxies: { default: { httpProxy: proxy.url, httpsProxy: proxy.url, noProxy: '' } } }, undefined, 2)}\n`,
      description: 'docker: proxy of containers',
      isSecret: proxy.user !== undefined,
    },
  ],
});
