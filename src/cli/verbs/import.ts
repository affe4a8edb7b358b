import type { Command } from 'commander'
import type { Source } from '../../import/import.ts'
import { EXIT, type ExitCode } from '../exit-codes.ts'
import { withExamples } from '../options.ts'
import { harmless } from '../output/text.ts'
import { act, type Session } from '../session.ts'
import { readText } from '../settings-file.ts'
import { Unusable } from '../unusable.ts'

const HELP = `
Prints the configuration on standard output. On standard error it lists, with file and line, every directive that
Cutover cannot do (left out), does in another way (differs), or need not be told (not needed): docs/importing.md

Exit codes: 0 everything is in the configuration; 1 something is left out, differs, or has to be mended by hand;
2 the file cannot be read or is none of that kind.`

const SOURCES: readonly (readonly [source: Source, what: string, example: string])[] = [
  ['nginx', 'an nginx.conf, with the files that it includes', '/etc/nginx/nginx.conf'],
  ['haproxy', 'an haproxy.cfg', '/etc/haproxy/haproxy.cfg'],
  [
    'traefik',
    'a file of Traefik (YAML or TOML, dynamic or static), or labels in one of Docker Compose',
    'docker-compose.yml',
  ],
  ['caddy', 'a Caddyfile, with the files that it imports', '/etc/caddy/Caddyfile'],
]

/** `cutover import`: a configuration out of that of another proxy. */
export function addImport(program: Command): void {
  const parent = program
    .command('import')
    .description('make a configuration out of that of nginx, HAProxy, Traefik or Caddy; see docs/importing.md')
  for (const [source, what, example] of SOURCES) {
    const command = parent
      .command(source)
      .description(`read ${what}`)
      .argument('<file>', 'file, or - for standard input')
      .addHelpText('after', HELP)
    withExamples(command, [
      [`cutover import ${source} ${example} > cutover.yaml`, 'the configuration in a file, the rest on the screen'],
      [`cutover import ${source} - < ${example} > cutover.yaml 2> left-out.txt`, 'both in files'],
    ])
    command.action(act((session, [file = '']) => importFile(session, source, file)))
  }
}

async function importFile({ terminal }: Session, source: Source, file: string): Promise<ExitCode> {
  // Loaded only here, as are the parsers that it needs.
  const { importFrom, Unreadable } = await import('../../import/import.ts')
  const text = await readText(file)
  try {
    const { yaml, report, problems } = importFrom(source, file, text)
    terminal.print(yaml.trimEnd())
    terminal.tell(...report.lines().map(harmless), ...problems.map((problem) => `to be mended: ${harmless(problem)}`))
    return report.isComplete && problems.length === 0 ? EXIT.done : EXIT.failed
  } catch (error) {
    if (error instanceof Unreadable) throw new Unusable(error.message)
    throw error
  }
}
