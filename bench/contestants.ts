import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findOnPath } from './processes.ts'

/** Paths of PEM files. `pair`: the certificate and the key. */
export interface CertificateFiles {
  readonly cert: string
  readonly key: string
  readonly pair: string
}

/** Ports and folder for a contestant. All addresses are on the loopback. */
export interface Place {
  readonly port: number
  /** For HTTP/1.1 and HTTP/2 over TLS, if the contestant has that. */
  readonly tlsPort: number
  readonly certificate: CertificateFiles
  readonly adminPort: number
  readonly upstreamPort: number
  /** Path of an empty folder for its files. */
  readonly folder: string
}

/** Command to run a contestant. */
export interface Launch {
  readonly command: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** URL that answers 200 as soon as the contestant is ready; default: its `/`. */
  readonly readyUrl?: string
}

/** A proxy to measure: on one core, with one worker, and upstream connections kept alive. */
export interface Contestant {
  readonly name: string
  /** Whether it serves TLS at `Place.tlsPort`, with HTTP/2 by ALPN. */
  readonly hasTls: boolean
  /** Returns the reason why it cannot run on this machine, or undefined. */
  readonly missing: () => string | undefined
  readonly launch: (place: Place) => Launch
}

const main = fileURLToPath(new URL('../dist/main.js', import.meta.url))

export const contestants: readonly Contestant[] = [
  onNode('splice'),
  onNode('bare'),
  cutover('cutover', { format: 'json' }),
  cutover('cutover-nolog', 'off'),
  onNode('fastify-http-proxy'),
  onNode('http-proxy-3'),
  installed('nginx', ({ port, tlsPort, certificate, upstreamPort, folder }) => {
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${folder};`)
    const config = file(
      folder,
      'nginx.conf',
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
      ${process.getuid?.() === 0 ? 'user root;' : ''}
      events { worker_connections 4096; }
      http {
        access_log off; ${temporary.join(' ')}
        keepalive_requests 100000000;
        upstream bench { server 127.0.0.1:${upstreamPort}; keepalive 256; keepalive_requests 100000000; }
        server {
          listen 127.0.0.1:${port};
          listen 127.0.0.1:${tlsPort} ssl http2;
          ssl_certificate ${certificate.cert};
          ssl_certificate_key ${certificate.key};
          ssl_protocols TLSv1.2 TLSv1.3;
          location / { proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; }
        }
      }`,
    )
    return { command: ['nginx', '-p', folder, '-e', 'stderr', '-c', config] }
  }),
  installed('haproxy', ({ port, tlsPort, certificate, upstreamPort, folder }) => {
    const config = file(
      folder,
      'haproxy.cfg',
      `global
        nbthread 1
        maxconn 4096
      defaults
        mode http
        timeout connect 5s
        timeout client 60s
        timeout server 60s
        http-reuse always
      listen bench
        bind 127.0.0.1:${port}
        bind 127.0.0.1:${tlsPort} ssl crt ${certificate.pair} alpn h2,http/1.1
        server upstream 127.0.0.1:${upstreamPort} pool-max-conn 256
      `.replaceAll(/^ {6}/gm, ''),
    )
    return { command: ['haproxy', '-db', '-f', config] }
  }),
  installed('caddy', ({ port, tlsPort, certificate, upstreamPort, folder }) => {
    const config = file(
      folder,
      'Caddyfile',
      `{
        admin off
        auto_https off
        default_sni localhost
      }
      (app) {
        bind 127.0.0.1
        reverse_proxy http://127.0.0.1:${upstreamPort} {
          transport http {
            keepalive_idle_conns_per_host 256
          }
        }
      }
      http://127.0.0.1:${port} {
        import app
      }
      https://127.0.0.1:${tlsPort} {
        tls ${certificate.cert} ${certificate.key}
        import app
      }`,
    )
    return {
      command: ['caddy', 'run', '--adapter', 'caddyfile', '--config', config],
      env: { GOMAXPROCS: '1', HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder },
    }
  }),
]

function onNode(name: string): Contestant {
  const script = fileURLToPath(new URL(`./contestants/${name}.ts`, import.meta.url))
  return {
    name,
    hasTls: false,
    missing: () => undefined,
    launch: ({ port, upstreamPort }) => ({ command: [process.execPath, script, `${port}`, `${upstreamPort}`] }),
  }
}

function installed(name: string, launch: Contestant['launch']): Contestant {
  return { name, hasTls: true, missing: () => (findOnPath(name) ? undefined : `${name} is not installed`), launch }
}

/** Cutover with one service, one pool and one server. Its access log goes to the same file as all its output. */
function cutover(name: string, accessLog: { format: 'json' } | 'off'): Contestant {
  return {
    name,
    hasTls: true,
    missing: () => (existsSync(main) ? undefined : 'dist/main.js is missing'),
    launch: ({ port, tlsPort, certificate, adminPort, upstreamPort, folder }) => {
      const service = {
        pools: { only: { servers: { one: `http://127.0.0.1:${upstreamPort}` } } },
        split: { only: 100 },
        health: { path: '/healthz', interval: '1s' },
      }
      const config = {
        proxy: {
          listen: [
            `127.0.0.1:${port}`,
            {
              address: `127.0.0.1:${tlsPort}`,
              tls: { certificates: [{ cert: certificate.cert, key: certificate.key }] },
            },
          ],
          workers: 0,
          accessLog,
        },
        admin: { listen: `127.0.0.1:${adminPort}` },
        store: { path: join(folder, 'data') },
        services: { bench: service },
      }
      return {
        command: [
          process.execPath,
          main,
          'run',
          '--config',
          file(folder, 'cutover.yaml', JSON.stringify(config, null, 2)),
        ],
        readyUrl: `http://127.0.0.1:${adminPort}/ready`,
      }
    },
  }
}

function file(folder: string, name: string, text: string): string {
  writeFileSync(join(folder, name), text)
  return join(folder, name)
}
