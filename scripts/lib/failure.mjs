/** Something that the person at the terminal can act on: printed without a stack. */
export class Failure extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Runs a script to its exit code; a `Failure` is printed, anything else is a bug and throws. */
export async function main(script) {
  try {
    process.exitCode = await script(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    console.error(`cutover: ${error.message}`)
    process.exitCode = error.exitCode
  }
}
