import type { Command } from 'commander'
import { ApiError } from '../../client/create-client.ts'
import { EXIT } from '../exit-codes.ts'
import { followedFile, lastLines } from '../followed-file.ts'
import { Interrupt } from '../interrupt.ts'
import { readNumber, withConnection, withExamples } from '../options.ts'
import { harmless } from '../output/text.ts'
import { act, type Session } from '../session.ts'
import { CannotDo } from '../unusable.ts'

const DEFAULT_LAST = 20

interface Options {
  readonly follow?: true
  readonly last?: number
  readonly file?: string
}

export function addLogs(program: Command): void {
  const command = program
    .command('logs')
    .description('lines of the access log, from the file of proxy.accessLog.file on this machine')
    .option('-f, --follow', 'print new lines as they come, until Ctrl-C; through rotations')
    .option('-n, --last <number>', `print so many of the past (default: ${DEFAULT_LAST})`, readNumber(0, 1e6, true))
    .option('--file <file>', 'this file, without asking the admin API where the log is')
  withExamples(withConnection(command), [
    ['cutover logs -f', 'each request as it ends'],
    ['cutover logs -n 1000 --file /var/log/cutover/access.log', 'the last thousand lines of a file'],
  ])
  command.action(
    act<Options>(async (session, _names, { follow, last = DEFAULT_LAST, file }) => {
      const { terminal, isJson } = session
      const path = file ?? (await fileOf(session))
      const interrupt = new Interrupt()
      // On a terminal, a line must not steer it; elsewhere it stays as it is.
      const print = (line: string): void => terminal.print(terminal.isInteractive && !isJson ? harmless(line) : line)
      try {
        const { lines, end } = await lastLines(path, last)
        for (const line of lines) print(line)
        if (follow !== true) return EXIT.done
        for await (const line of followedFile(path, end, interrupt.signal)) print(line)
      } catch (error) {
        throw unreadable(path, error, file === undefined)
      } finally {
        interrupt.end()
      }
      return EXIT.interrupted
    }),
  )
}

/** The file of the access log, as the configuration says. Throws CannotDo with what to use instead, and ApiError. */
async function fileOf({ client, isJson }: Session): Promise<string> {
  const { proxy } = (await client.config.get().catch(refused)) as unknown as {
    readonly proxy: { readonly accessLog: { readonly file: string; readonly format: string } | null }
  }
  if (proxy.accessLog === null)
    throw new CannotDo('The access log is off. Turn it on: proxy.accessLog: { file: access.log }')
  const { file, format } = proxy.accessLog
  if (file === '') {
    throw new CannotDo(
      'The access log goes to the standard output of Cutover. Read it where that goes: journalctl -fu cutover, docker logs -f, …\nTo read it here, set proxy.accessLog.file in the configuration.',
    )
  }
  if (isJson && format !== 'json')
    throw new CannotDo(`The access log is written as ${format}. For --json, set proxy.accessLog.format: json.`)
  return file
}

/** Without the role that may read the configuration, the file has to be said. */
function refused(error: unknown): never {
  if (!(error instanceof ApiError) || error.status !== 403) throw error
  throw new CannotDo(`${error.detail}\nSay where the access log is: cutover logs --file FILE`)
}

function unreadable(path: string, error: unknown, isOfConfiguration: boolean): unknown {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === undefined) return error
  const why = code === 'ENOENT' ? 'there is no such file on this machine' : message
  const hint = isOfConfiguration
    ? 'It is the file of proxy.accessLog.file, seen from where Cutover runs. Run this command there, or say --file FILE.'
    : 'Say where the access log is: --file FILE'
  return new CannotDo(`cannot read ${path}: ${why}\n${hint}`)
}
