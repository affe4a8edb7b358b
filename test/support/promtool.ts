import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { delimiter, join } from 'node:path'
import { text } from 'node:stream/consumers'

const BIN = join(import.meta.dirname, '../../node_modules/.bin')

export interface Checked {
  readonly code: number | null
  /** All it has printed. */
  readonly output: string
}

/**
 * Runs promtool, Prometheus' checker of rules and metrics, with a text on its standard input. Rejects if there is none:
 * `npm test` downloads it.
 */
export async function promtool(args: readonly string[], input = ''): Promise<Checked> {
  const child = spawn('promtool', args, {
    env: { ...process.env, PATH: [BIN, process.env.PATH].join(delimiter) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  const ended = once(child, 'close').catch((error: Error) => {
    throw new Error(`promtool does not run (npm test downloads it): ${error.message}`)
  })
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const [out, err, [code]] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  return { code, output: `${out}${err}` }
}
