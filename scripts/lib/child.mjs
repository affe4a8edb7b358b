import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter } from 'node:path'
import { binFolder, compiledFolder, pinnedNode } from './paths.mjs'

const leash = new URL('./leash.mjs', import.meta.url).href
const samePressMs = 300
/** Signals with a meaning for Cutover, which would end a process that has no listener for them. */
const requests = ['SIGHUP', 'SIGUSR1', 'SIGUSR2']

/**
 * Starts a command in a process group of its own, so that every signal reaches it through this process, and only once.
 * On Ctrl-C the terminal signals the whole foreground group and npm signals this process again; to Cutover, a second
 * signal means "stop at once". `ended` resolves with the exit code, or with 128 + n if signal n ended the command.
 */
export function start(command, args, options) {
  const child = spawn(command, args, { ...options, detached: true })
  const ended = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal === null ? code : 128 + constants.signals[signal]))
  })
  return { child, ended }
}

/**
 * Starts the pinned Node, which is also the first on the child's PATH. The child ends when this process does. `signal`
 * passes a signal on; a signal that would end a child without a listener for it waits until the child has one.
 */
export function startNode(args, stdout = 'inherit') {
  const { child, ended } = start(pinnedNode, ['--import', leash, ...args], {
    stdio: ['inherit', stdout, 'inherit', 'pipe'],
    // With compiled code in the cache, the next start takes half the time.
    env: {
      NODE_COMPILE_CACHE: compiledFolder,
      ...process.env,
      CUTOVER_LEASH: '3',
      PATH: [binFolder, process.env.PATH].join(delimiter),
    },
  })
  const listened = new Set()
  const waiting = new Set()
  let text = ''
  child.stdio[3].on('data', (chunk) => {
    text += chunk
    const lines = text.split('\n')
    text = lines.pop()
    for (const name of lines) {
      listened.add(name)
      if (waiting.delete(name)) child.kill(name)
    }
  })
  child.stdio[3].on('error', () => {})
  const signal = (name) => {
    if (requests.includes(name) && !listened.has(name)) waiting.add(name)
    else child.kill(name)
  }
  return { child, ended, signal }
}

/** Runs a command to its end, and passes the signals of this process on to it. */
export async function run(command, args, options) {
  return finish(start(command, args, options))
}

/** Runs the pinned Node to its end, and passes the signals of this process on to it. */
export async function runNode(args) {
  return finish(startNode(args))
}

async function finish({ child, ended, signal = (name) => child.kill(name) }) {
  let interrupted = false
  const stopRelaying = relaySignals((name) => {
    interrupted ||= name === 'SIGINT' || name === 'SIGTERM'
    signal(name)
  })
  try {
    return { code: await ended, interrupted }
  } finally {
    stopRelaying()
  }
}

/** Calls `send` for every signal to this process, once per key press. Returns a function that stops the relaying. */
export function relaySignals(send) {
  const hadTerminal = process.stdin.isTTY
  let pressedAt = Number.NEGATIVE_INFINITY
  const listener = (received) => {
    // SIGHUP is a request to reload, unless the terminal was closed: then stop, since Ctrl-C is no longer possible.
    const signal = received === 'SIGHUP' && hadTerminal && terminalIsGone() ? 'SIGTERM' : received
    if (signal === 'SIGINT' || signal === 'SIGTERM') {
      if (performance.now() - pressedAt < samePressMs) return
      pressedAt = performance.now()
    }
    send(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', ...requests]
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}

function terminalIsGone() {
  try {
    closeSync(openSync('/dev/tty'))
    return false
  } catch {
    return true
  }
}
