import { madeFolders, madeLocation } from './made-body.ts';

export interface NginxConfigOptions {
  readonly dir: string;
  readonly port: number;
  /** Plain http on 127.0.0.1, for `/status` alone. */
  readonly statusPort: number;
  readonly certFile: string;
  readonly keyFile: string;
  readonly workers: number;
  /** Addresses of `localhost` on this machine, IPv6 in brackets: an engine may try any of them first. */
  readonly addresses: readonly string[];
  /** Worker processes keep the account; otherwise nginx gives root's up and cannot read a private directory. */
  readonly asRoot: boolean;
}

/** Small bodies are made out of their path, so that each is different without a file; large ones are files in `large/`. */
export function nginxConfig(options: NginxConfigOptions): string {
  const { dir, port, addresses } = options;
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `${options.asRoot ? 'user root;\n' : ''}daemon off;
worker_processes ${options.workers};
pid ${dir}/nginx.pid;
error_log stderr warn;
worker_rlimit_nofile 65536;
events { worker_connections 16384; }
http {
  access_log off;
  default_type application/octet-stream;
${temporary.map((name) => `  ${name}_temp_path ${dir}/tmp-${name};`).join('\n')}
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  server {
${addresses.map((address) => `    listen ${address}:${port} ssl backlog=4096;`).join('\n')}
    ssl_certificate ${options.certFile};
    ssl_certificate_key ${options.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;
${madeFolders.map((folder) => `    ${madeLocation(folder)}`).join('\n')}
    location /large/ { root ${dir}; output_buffers 2 128k; }
  }
  server {
    listen 127.0.0.1:${options.statusPort};
    location = /status { stub_status; }
  }
}
`;
}
