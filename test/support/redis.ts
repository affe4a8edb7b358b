import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { patience } from './patience.ts'
import { freePort } from './upstream.ts'

const run = promisify(execFile)
const START_LIMIT_MS = 15_000
/** Longer than any DEBUG SLEEP of a test. */
const CLI_LIMIT_MS = 15_000
/** A cluster node listens on its port plus 10000 as well, so no server gets a port higher than this. */
const HIGHEST_PORT = 55_535

export interface RedisOptions {
  /** Default: any free one. */
  readonly port?: number
  readonly password?: string
  /** More options, as on the command line of redis-server. */
  readonly args?: readonly string[]
  /** TLS only, with a certificate for 127.0.0.1 and localhost by the authority in `caFile`. */
  readonly tls?: boolean
  /** Every write is on disk before it is answered. Otherwise nothing is kept. */
  readonly persist?: boolean
  /** The folder of data to start on, left in place by stop(); otherwise a new one that goes with the server. */
  readonly path?: string
}

/** A real redis-server process on 127.0.0.1. */
export class RedisServer {
  readonly port: number
  /** With the password, for ioredis. */
  readonly url: string
  readonly folder: string
  /** What signed the server's certificate. Exists with `tls` only. */
  readonly caFile: string
  /** The present process, or the last one. */
  process: ChildProcess
  readonly #options: RedisOptions
  #exited: Promise<unknown>
  #paused = false
  #output = ''

  private constructor(folder: string, port: number, options: RedisOptions) {
    const { password, tls = false } = options
    this.port = port
    const user = password === undefined ? '' : `:${encodeURIComponent(password)}@`
    this.url = `${tls ? 'rediss' : 'redis'}://${user}127.0.0.1:${port}`
    this.folder = folder
    this.caFile = join(folder, 'ca.crt')
    this.#options = options
    ;[this.process, this.#exited] = this.#spawn()
  }

  /** Starts a server and waits until it answers. Rejects with what it printed when it does not get there. */
  static async start(options: RedisOptions = {}): Promise<RedisServer> {
    const folder = options.path ?? (await mkdtemp(join(tmpdir(), 'cutover-redis-')))
    // Redis writes a change of its role in here, so that it outlives a restart.
    await writeFile(join(folder, 'redis.conf'), '')
    if (options.tls) await makeCertificates(folder)
    for (let triesLeft = 5; ; triesLeft--) {
      const server = new RedisServer(folder, options.port ?? (await lowFreePort()), options)
      try {
        await server.#ready()
        return server
      } catch (error) {
        await server.kill().catch(() => undefined)
        // Between the choice of a port and its use somebody else may have taken it.
        const isTaken = server.#output.includes('Address already in use')
        if (isTaken && options.port === undefined && triesLeft > 0) continue
        await server.stop().catch(() => undefined)
        throw error
      }
    }
  }

  /** Starts that many servers at once; all of them or none. */
  static async startMany(count: number, options: RedisOptions = {}): Promise<RedisServer[]> {
    const starts = await Promise.allSettled(Array.from({ length: count }, () => RedisServer.start(options)))
    const servers = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []))
    if (servers.length === count) return servers
    await Promise.all(servers.map((server) => server.stop()))
    throw starts.find((start) => start.status === 'rejected')?.reason
  }

  /** Neither ended nor paused. */
  get running(): boolean {
    return !this.#paused && this.#alive
  }

  /** Runs redis-cli and resolves with what it printed. Rejects when Redis answers with an error, or not at all. */
  async cli(...args: string[]): Promise<string> {
    const { password, tls } = this.#options
    const where = ['-h', '127.0.0.1', '-p', String(this.port), ...(tls ? ['--tls', '--cacert', this.caFile] : [])]
    const env = { ...process.env, ...(password === undefined ? {} : { REDISCLI_AUTH: password }) }
    // -e: an error as the answer is an error of redis-cli, too.
    const { stdout } = await run('redis-cli', [...where, '-e', ...args], { env, timeout: CLI_LIMIT_MS })
    return stdout.trim()
  }

  /** One field of INFO, or of CLUSTER INFO if told so; empty when there is none. */
  async info(field: string, command: readonly string[] = ['info']): Promise<string> {
    const line = (await this.cli(...command)).split(/\r?\n/).find((line) => line.startsWith(`${field}:`))
    return line?.slice(field.length + 1) ?? ''
  }

  /** Ends it by SIGKILL, paused or not, and resolves when it is gone. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.#exited
  }

  /** Ends it in good order. What is kept is saved. */
  async shutdown(): Promise<void> {
    await this.cli('shutdown', this.#options.persist ? 'save' : 'nosave')
    await this.#exited
  }

  /** Stops the process: connections stay open, and new ones open, but nothing is answered. */
  pause(): void {
    this.process.kill('SIGSTOP')
    this.#paused = true
  }

  resume(): void {
    this.process.kill('SIGCONT')
    this.#paused = false
  }

  /** Starts it again on its port and its data, once it has ended. */
  async restart(): Promise<void> {
    if (this.#alive) throw new Error(`redis-server on port ${this.port} still runs`)
    this.#output = ''
    this.#paused = false
    ;[this.process, this.#exited] = this.#spawn()
    await this.#ready()
  }

  /** Ends it whatever its state, and removes its folder. */
  async stop(): Promise<void> {
    await this.kill().finally(async () => {
      if (this.#options.path === undefined) await rm(this.folder, { recursive: true, force: true })
    })
  }

  get #alive(): boolean {
    // Without a process id it could not even be run.
    return this.process.pid !== undefined && this.process.exitCode === null && this.process.signalCode === null
  }

  #spawn(): [ChildProcess, Promise<unknown>] {
    const { password, tls, persist, args = [] } = this.#options
    const child = spawn(
      'redis-server',
      [
        join(this.folder, 'redis.conf'),
        ...['--bind', '127.0.0.1', '--dir', this.folder, '--enable-debug-command', 'yes', '--save', ''],
        ...(persist ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no']),
        ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
        ...(tls ? ['--port', '0', '--tls-port', String(this.port)] : ['--port', String(this.port)]),
        ...(tls ? ['--tls-cert-file', join(this.folder, 'server.crt')] : []),
        ...(tls ? ['--tls-key-file', join(this.folder, 'server.key')] : []),
        ...(tls ? ['--tls-ca-cert-file', this.caFile, '--tls-auth-clients', 'no'] : []),
        ...args,
      ],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const guard = child.pid === undefined ? undefined : startGuard(child.pid)
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output += chunk.toString()
      })
    }
    // 'close' comes after 'exit', when all it has printed has been read.
    const exited = once(child, 'close').finally(() => guard?.kill())
    // Whoever waits for the end hears of a failure; often nobody does.
    exited.catch(() => undefined)
    return [child, exited]
  }

  async #ready(): Promise<void> {
    const answers = async () => {
      if (!this.#alive) return true
      // Before it says so itself, an answer may be that of another server on the port.
      return /Ready to accept connections|Sentinel ID is/.test(this.#output) && (await this.cli('ping')) === 'PONG'
    }
    try {
      await until('answer to PING', answers)
      if (this.#alive) return
      await this.#exited
      throw new Error('it ended')
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error)
      throw new Error(`redis-server on port ${this.port} is not ready: ${reason}\n${this.#output}`, { cause: error })
    }
  }
}

/**
 * Asks again and again until the answer is yes, for what Redis offers no event for. A question that fails counts as
 * no. Rejects when that takes longer than the limit.
 */
export async function until(what: string, check: () => Promise<boolean>, limitMs = START_LIMIT_MS): Promise<void> {
  const end = performance.now() + patience(limitMs)
  for (;;) {
    let cause: unknown
    const isSo = await check().catch((error: unknown) => {
      cause = error
      return false
    })
    if (isSo) return
    if (performance.now() > end) throw new Error(`no ${what} within ${limitMs} ms`, { cause })
    await sleep(50)
  }
}

/**
 * Vitest kills its processes without a last word, and a test that broke off before its stop() must not leave servers
 * behind: the end of this process is the end of the guard's input, and then of the server.
 */
function startGuard(pid: number): ChildProcess {
  return spawn('sh', ['-c', 'read -r _; kill -9 "$0"', String(pid)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    // In a group of its own: Ctrl-C is not for the guard.
    detached: true,
  })
}

async function lowFreePort(): Promise<number> {
  for (;;) {
    const port = await freePort()
    if (port <= HIGHEST_PORT) return port
  }
}

async function makeCertificates(folder: string): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const make = (...args: string[]) => run('openssl', ['req', '-x509', ...key, ...args], { cwd: folder })
  await make('-subj', '/CN=Test authority', '-keyout', 'ca.key', '-out', 'ca.crt')
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost']
  await make('-CA', 'ca.crt', '-CAkey', 'ca.key', ...names, '-keyout', 'server.key', '-out', 'server.crt')
}
