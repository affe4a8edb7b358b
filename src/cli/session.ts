import type { Command } from 'commander'
import { type Client, createClient } from '../client/create-client.ts'
import type { ExitCode } from './exit-codes.ts'
import { tellFailure } from './failure.ts'
import { type ConnectionOptions, DEFAULT_ADMIN, type WriteFlags } from './options.ts'
import { Terminal } from './output/terminal.ts'
import { isSocket, socketPath, socketUrl, undiciFetch } from './undici-fetch.ts'
import { Unusable } from './unusable.ts'

/** What a verb works with. */
export class Session {
  readonly terminal: Terminal
  /** Whether results are printed as JSON. */
  readonly isJson: boolean
  private readonly options: ConnectionOptions
  private readonly env: NodeJS.ProcessEnv
  private made: Client | null = null

  constructor(terminal: Terminal, options: ConnectionOptions, env: NodeJS.ProcessEnv) {
    this.terminal = terminal
    this.isJson = options.json === true
    this.options = options
    this.env = env
  }

  /** The client of the admin API; `--admin` comes before CUTOVER_ADMIN. Throws Unusable. */
  get client(): Client {
    this.made ??= this.createClient()
    return this.made
  }

  /** A client for a call that may take longer than the five minutes after which that of Node gives up. Throws Unusable. */
  get patientClient(): Client {
    return this.createClient(true)
  }

  /** The option `scope` of a write. Throws Unusable if it is for one instance, and several may be asked. */
  scopeOf({ local }: WriteFlags): 'local' | undefined {
    if (local !== true) return undefined
    if (this.addresses.length === 1) return 'local'
    throw new Unusable('--local changes the instance that is asked: say which one with --admin URL')
  }

  /** `--admin` comes before CUTOVER_ADMIN. */
  private get addresses(): readonly string[] {
    const { admin = this.env.CUTOVER_ADMIN || DEFAULT_ADMIN } = this.options
    return admin
      .split(',')
      .map((address) => address.trim())
      .filter((address) => address !== '')
  }

  private createClient(isPatient = false): Client {
    const { addresses } = this
    const sockets = new Map(addresses.filter(isSocket).map((address) => [socketUrl(address), socketPath(address)]))
    const urls = addresses.map((address) => {
      if (isSocket(address)) return socketUrl(address)
      return address.includes('://') ? address : `http://${address}`
    })
    try {
      const fetchOptions = sockets.size === 0 && !isPatient ? {} : { fetch: undiciFetch(sockets) }
      return createClient({ urls, token: this.env.CUTOVER_TOKEN || undefined, ...fetchOptions })
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      throw new Unusable(`--admin, CUTOVER_ADMIN or CUTOVER_TOKEN cannot be used: ${error.message}`)
    }
  }
}

/** What a verb does; `names` are its arguments, as their readers made them. Returns the exit code. */
export type Run<O extends object> = (session: Session, names: readonly string[], options: O) => Promise<ExitCode>

/** Makes the action of a command out of what its verb does: failures are told, and the exit code is set. */
export function act<O extends object>(
  run: Run<O & ConnectionOptions>,
): (...given: readonly unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command
    const options = command.opts<O & ConnectionOptions>()
    const terminal = new Terminal(process.stdout, process.stderr, process.env)
    const session = new Session(terminal, options, process.env)
    try {
      process.exitCode = await run(session, command.processedArgs as readonly string[], options)
    } catch (error) {
      process.exitCode = tellFailure(error, terminal)
    }
  }
}
