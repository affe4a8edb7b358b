/** The instance could not start. `exitCode`: exit code for the process. */
export class StartFailed extends Error {
  override name = 'StartFailed'
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

/** The start was cancelled by SIGTERM or SIGINT; nothing is left running. */
export class StartCalledOff extends Error {
  override name = 'StartCalledOff'
}
