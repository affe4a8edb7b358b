import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'

export interface CommandOptions {
  /** Added to the environment of this process. */
  readonly variables: Readonly<Record<string, string>>
  /** Called with each line that the command prints. */
  readonly onLine: (line: string) => void
  /** Aborts to interrupt the command, as Ctrl-C would. */
  readonly signal: AbortSignal
}

/**
 * Runs a command by `sh -c`, without standard input. Resolves with what has become of it: null = it has succeeded, else
 * in words.
 */
export async function runCommand(
  command: string,
  { variables, onLine, signal }: CommandOptions,
): Promise<string | null> {
  // A process group of its own: Ctrl-C comes by this process, and once.
  const child = spawn('sh', ['-c', command], {
    env: { ...process.env, ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  const interrupt = (): void => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGINT')
  }
  signal.addEventListener('abort', interrupt)
  if (signal.aborted) interrupt()
  try {
    const [[code, by]] = await Promise.all([
      once(child, 'close') as Promise<[number | null, string | null]>,
      eachLine(child.stdout, onLine),
      eachLine(child.stderr, onLine),
    ])
    if (by !== null) return `was ended by ${by}`
    return code === 0 ? null : `ended with exit code ${code}`
  } catch (error) {
    return `could not be started: ${error instanceof Error ? error.message : error}`
  } finally {
    signal.removeEventListener('abort', interrupt)
  }
}

async function eachLine(stream: Readable, onLine: (line: string) => void): Promise<void> {
  stream.setEncoding('utf8')
  let rest = ''
  for await (const chunk of stream) {
    const lines = `${rest}${chunk}`.split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) onLine(line)
  }
  if (rest !== '') onLine(rest)
}
