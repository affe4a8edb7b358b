/** The instance could not start; `exitCode`: what the process shall end with. */
export class StartFailed extends Error {
  override name = 'StartFailed'
  readonly exitCode: number

  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

/** SIGTERM or SIGINT came before everything was up; nothing is left running. */
export class StartCalledOff extends Error {
  override name = 'StartCalledOff'
}
