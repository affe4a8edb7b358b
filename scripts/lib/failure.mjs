/** An error that the user can act on, printed without a stack. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/**
 * Runs a script and sets the exit code that it returns. A `Failure` is printed; any other error is a bug and is thrown.
 */
export async function main(script) {
  try {
    process.exitCode = await script(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.error(`cutover: ${error.message}`)
    process.exitCode = error.exitCode
  }
}
