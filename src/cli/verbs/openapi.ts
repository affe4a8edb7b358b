import type { Command } from 'commander'
import { EXIT } from '../exit-codes.ts'
import { withConnection, withExamples } from '../options.ts'
import { act } from '../session.ts'

export function addOpenapi(program: Command): void {
  const command = program.command('openapi').description('the OpenAPI 3.1 document of the admin API')
  withExamples(withConnection(command), [
    ['cutover openapi > openapi.json', 'for a generator of clients'],
    ['cutover openapi --json', 'on one line'],
  ])
  command.action(
    act(async ({ client, terminal, isJson }) => {
      const document = await client.openApi()
      if (isJson) terminal.printJson(document)
      else terminal.print(JSON.stringify(document, null, 2))
      return EXIT.done
    }),
  )
}
