import type { Outcome } from './programs.js';
import { run } from './programs.js';

/** One fetch over https by a real client. */
export interface Visit {
  /** Host as in the URL, IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
  /** PEM file with the only trusted root. */
  readonly caFile: string;
  /** A folder with what the client needs; its subfolder `empty` is empty. */
  readonly dir: string;
}

/** A client that must verify the server's certificate in full. */
export interface TlsClient {
  readonly program: string;
  /** Must be there in CI; the others are tried where they exist. */
  readonly isRequired: boolean;
  readonly visit: (visit: Visit) => Promise<Outcome>;
}

const url = ({ host, port }: Visit, path = '/') => `https://${host}:${port}${path}`;

const nodeScript = `
  require('node:https').get(process.argv[1], { ca: require('node:fs').readFileSync(process.argv[2]) }, (response) => {
    response.pipe(process.stdout);
  }).on('error', (error) => { console.error(error.message); process.exitCode = 1; });`;

const pythonScript = `
import ssl, sys, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
context.verify_flags |= ssl.VERIFY_X509_STRICT
context.minimum_version = ssl.TLSVersion.TLSv1_2
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
sys.stdout.write(opener.open(sys.argv[1], timeout=20).read().decode())
`;

export const goClient = `package main

import ("crypto/tls"; "crypto/x509"; "fmt"; "io"; "net/http"; "os")

func main() {
	pem, err := os.ReadFile(os.Args[2])
	if err != nil { panic(err) }
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	response, err := client.Get(os.Args[1])
	if err != nil { fmt.Println(err); os.Exit(1) }
	io.Copy(os.Stdout, response.Body)
}
`;

export const javaClient = `
import java.io.*; import java.net.*; import java.security.*; import java.security.cert.*; import javax.net.ssl.*;

public class Client {
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null, null);
    try (InputStream pem = new FileInputStream(args[1])) {
      store.setCertificateEntry("root", CertificateFactory.getInstance("X.509").generateCertificate(pem));
    }
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, trust.getTrustManagers(), null);
    HttpsURLConnection connection = (HttpsURLConnection) new URL(args[0]).openConnection(Proxy.NO_PROXY);
    connection.setSSLSocketFactory(context.getSocketFactory());
    connection.getInputStream().transferTo(System.out);
  }
}
`;

/** Every client gets the root as its only trust and has to print the page. */
export const tlsClients: readonly TlsClient[] = [
  {
    program: 'openssl',
    isRequired: true,
    visit: ({ host, port, caFile }) => {
      const bare = host.replace(/^\[|\]$/g, '');
      const name = /^[\d.]+$|:/.test(bare) ? ['-verify_ip', bare] : ['-verify_hostname', bare, '-servername', bare];
      const check = ['-CAfile', caFile, '-x509_strict', '-verify_return_error', '-verify', '5', ...name];
      const request = `printf 'GET / HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' | openssl s_client -quiet -connect '${host}:${port}' "$@"`;
      return run(['/bin/sh', '-c', request, 'sh', ...check]);
    },
  },
  {
    program: 'curl',
    isRequired: true,
    visit: (visit) =>
      run([
        'curl',
        '-sS',
        '--noproxy',
        '*',
        '--max-time',
        '20',
        '--cacert',
        visit.caFile,
        '--capath',
        `${visit.dir}/empty`,
        url(visit),
      ]),
  },
  {
    program: 'git',
    isRequired: true,
    visit: async (visit) => {
      const env = {
        GIT_SSL_CAINFO: visit.caFile,
        GIT_CONFIG_NOSYSTEM: '1',
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_TERMINAL_PROMPT: '0',
      };
      const outcome = await run(['git', 'ls-remote', url(visit, '/repo.git')], { env });
      return { ...outcome, output: outcome.output.replace(/[0-9a-f]{40}\trefs\/heads\/main/, 'hello over tls') };
    },
  },
  {
    program: 'node',
    isRequired: true,
    visit: (visit) => run([process.execPath, '-e', nodeScript, url(visit), visit.caFile]),
  },
  {
    program: 'python3',
    isRequired: true,
    visit: (visit) => run(['python3', '-c', pythonScript, url(visit), visit.caFile]),
  },
  {
    program: 'go',
    isRequired: false,
    visit: (visit) => run([`${visit.dir}/go-client`, url(visit), visit.caFile]),
  },
  {
    program: 'wget',
    isRequired: false,
    visit: (visit) =>
      run([
        'wget',
        '-q',
        '-O',
        '-',
        '--no-proxy',
        '--tries=1',
        `--ca-certificate=${visit.caFile}`,
        `--ca-directory=${visit.dir}/empty`,
        url(visit),
      ]),
  },
  {
    program: 'java',
    isRequired: false,
    visit: (visit) => run(['java', `${visit.dir}/Client.java`, url(visit), visit.caFile]),
  },
];
