import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const BIN = join(import.meta.dirname, '../../node_modules/.bin')
const START_LIMIT_MS = 10_000

/** A real nginx or HAProxy, which `npm test` downloads. */
export class OtherProxy {
  readonly port: number
  private readonly folder: string
  private readonly process: ChildProcess
  private readonly exited: Promise<unknown>
  private output = ''

  private constructor(command: readonly string[], folder: string, port: number) {
    const [program = '', ...args] = command
    this.folder = folder
    this.port = port
    this.process = spawn(program, args, {
      env: { ...process.env, PATH: [BIN, process.env.PATH, '/usr/sbin', '/usr/local/sbin'].join(delimiter) },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.exited = once(this.process, 'exit').catch((error: Error) => {
      this.output += `${program} does not run (npm test downloads it): ${error.message}`
    })
    for (const stream of [this.process.stdout, this.process.stderr])
      stream?.on('data', (chunk: Buffer) => {
        this.output += chunk.toString()
      })
  }

  /** Starts it and waits until it listens. Rejects with what it has printed if it does not get there. */
  static async start(program: 'nginx' | 'haproxy', config: string, port: number): Promise<OtherProxy> {
    const folder = await mkdtemp(join(tmpdir(), 'cutover-original-'))
    const file = join(folder, 'proxy.conf')
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (kind) => `${kind}_temp_path ${folder}/${kind};`,
    )
    const whole = `daemon off; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http { access_log off; ${temporary.join(' ')}
${config}
}`
    await writeFile(file, program === 'nginx' ? whole : config)
    const commands = { nginx: ['nginx', '-p', folder, '-c', file], haproxy: ['haproxy', '-db', '-f', file] }
    const command = commands[program]
    const original = new OtherProxy(command, folder, port)
    const deadline = performance.now() + START_LIMIT_MS
    while (!(await canConnect(port))) {
      const hasEnded = original.process.exitCode !== null || original.process.pid === undefined
      if (hasEnded || performance.now() > deadline) {
        await original.stop()
        throw new Error(`${command[0]} does not listen:\n${original.output}`)
      }
      // Neither of them says when it listens.
      await sleep(20)
    }
    return original
  }

  async stop(): Promise<void> {
    this.process.kill('SIGTERM')
    await this.exited
    await rm(this.folder, { recursive: true, force: true })
  }
}

async function canConnect(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
