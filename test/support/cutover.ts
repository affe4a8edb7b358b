import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROGRAM } from './program.ts'

/** What a test may set; everything else is as in a newcomer's configuration, on free ports and in a new folder. */
export interface CutoverOptions {
  /** The `services` section; null = the file has none. */
  readonly services: object | null
  readonly proxy?: object
  readonly admin?: object
  readonly shutdown?: object
  /** Beside `path`, which is `dataPath`. */
  readonly store?: object
  readonly fleet?: object
  readonly telemetry?: object
  readonly webhooks?: readonly object[]
  readonly dns?: object
  readonly configVersion?: number
  /** The folder of state to start on; otherwise a new one that goes with the instance. */
  readonly dataPath?: string
  readonly env?: Readonly<Record<string, string>>
  /** How many descriptors each of its processes may have open (`ulimit -n`). */
  readonly descriptors?: number
  /** Arguments of `cutover run`, beside the file. */
  readonly args?: readonly string[]
  /** A command that is started with that of Cutover behind it, and becomes it. */
  readonly wrapper?: (dataPath: string) => readonly string[]
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A real Cutover process. */
export class Cutover {
  readonly process: ChildProcess
  /** `http://127.0.0.1:PORT` of the proxy and of the admin API. */
  proxy = ''
  admin = ''
  readonly configFile: string
  readonly dataPath: string
  /** All it has printed. */
  stdout = ''
  stderr = ''
  readonly exited: Promise<Exit>
  private readonly folder: string

  private constructor(folder: string, dataPath: string, { env, descriptors, wrapper, args = [] }: CutoverOptions) {
    this.folder = folder
    this.dataPath = dataPath
    this.configFile = join(folder, 'cutover.json')
    const command = [process.execPath, PROGRAM, 'run', '--config', this.configFile, ...args]
    const limited = ['sh', '-c', `ulimit -n ${descriptors}; exec "$0" "$@"`, ...command]
    const wrapped = [...(wrapper?.(dataPath) ?? []), ...(descriptors === undefined ? command : limited)]
    const [program = '', ...given] = wrapped
    this.process = spawn(program, given, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    this.exited = once(this.process, 'exit').then(([code, signal]) => ({ code, signal }) as Exit)
    this.process.stdout?.on('data', (chunk: Buffer) => {
      this.stdout += chunk.toString()
    })
    this.process.stderr?.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
    })
  }

  /** Starts an instance and waits until it is ready. Rejects with what it printed when it ends before that. */
  static async start(options: CutoverOptions): Promise<Cutover> {
    const cutover = await Cutover.launch(options)
    await cutover.ready()
    return cutover
  }

  /** Starts an instance without waiting for anything. */
  static async launch(options: CutoverOptions): Promise<Cutover> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-test-'))
    const dataPath = options.dataPath ?? join(folder, 'data')
    await writeFile(join(folder, 'cutover.json'), JSON.stringify(configOf(options, dataPath)))
    return new Cutover(folder, dataPath, options)
  }

  /** Writes another configuration over the one it was started with; it is read at the next reload. */
  async configure(options: CutoverOptions): Promise<void> {
    await writeFile(this.configFile, JSON.stringify(configOf(options, this.dataPath)))
  }

  /** Calls the admin API. `body`: sent as JSON. */
  async api(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(`${this.admin}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = (response.headers.get('content-type') ?? '').includes('json')
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text }
  }

  /** Lines of the access log so far. */
  accessLog(): Record<string, unknown>[] {
    const lines = this.stdout.split('\n').filter((line) => line.startsWith('{'))
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** Resolves once standard output matches. */
  async printed(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stdout)
      if (match !== null) return match
      await once(this.process.stdout as NodeJS.ReadableStream, 'data')
    }
  }

  /** Ends it by a signal (SIGTERM unless told otherwise), and removes its folder. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<Exit> {
    this.process.kill(signal)
    const exit = await this.exited
    await rm(this.folder, { recursive: true, force: true })
    return exit
  }

  /** Resolves when it is ready. Rejects with what it printed when it ends before that. */
  async ready(): Promise<void> {
    const died = this.exited.then(({ code }) => {
      throw new Error(`cutover ended with code ${code} before it was ready:\n${this.stderr}${this.stdout}`)
    })
    const line = this.printed(/^cutover ready: proxy (\S+).*, admin (\S+)$/m)
    const [, proxy = '', admin = ''] = await Promise.race([line, died])
    died.catch(() => undefined)
    this.proxy = proxy
    this.admin = admin
  }
}

/** What the admin API answered. The body is whatever the test expects it to be. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test looks for what it expects, and fails when it is not there.
  readonly body: any
}

function configOf(options: CutoverOptions, dataPath: string): object {
  const { services, proxy, admin, shutdown, store, fleet, telemetry, webhooks, dns, configVersion } = options
  return {
    // Most of what is tested does not depend on how many processes there are; those tests that do say so.
    proxy: { listen: '127.0.0.1:0', workers: 0, ...proxy },
    admin: { listen: '127.0.0.1:0', ...admin },
    store: { path: dataPath, ...store },
    ...(fleet === undefined ? {} : { fleet }),
    ...(telemetry === undefined ? {} : { telemetry }),
    ...(webhooks === undefined ? {} : { webhooks }),
    ...(dns === undefined ? {} : { dns }),
    ...(configVersion === undefined ? {} : { configVersion }),
    ...(shutdown === undefined ? {} : { shutdown }),
    ...(services === null ? {} : { services }),
  }
}
