import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter } from 'node:path'
import { binFolder, compiledFolder, pinnedNode } from './paths.mjs'

const leash = new URL('./leash.mjs', import.meta.url).href
const samePressMs = 300
/** These end a process that has no listener for them. */
const requests = ['SIGHUP', 'SIGUSR1', 'SIGUSR2']

/**
 * Starts a command in a process group of its own, so that every signal reaches it through this process, and once: on Ctrl-C
 * the terminal signals the whole foreground group and npm signals us again, and to Cutover a second signal means "at once".
 * `ended` becomes its exit code, 128 + n where a signal n ended it.
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
 * The same on the pinned Node, which comes first on the child's PATH too. The child ends when this process does. `signal`
 * passes a signal on; those that would end a child that does not listen for them wait until it does.
 */
export function startNode(args, stdout = 'inherit') {
  const { child, ended } = start(pinnedNode, ['--import', leash, ...args], {
    stdio: ['inherit', stdout, 'inherit', 'pipe'],
    // Compiled code is kept: the next start takes half the time.
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

/** Runs a command to its end, with our signals passed on. */
export async function run(command, args, options) {
  return finish(start(command, args, options))
}

/** Runs the pinned Node to its end, with our signals passed on. */
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

/** Calls `send` for every signal to this process, one press counted once. Returns how to stop that. */
export function relaySignals(send) {
  const hadTerminal = process.stdin.isTTY
  let pressedAt = Number.NEGATIVE_INFINITY
  const listener = (received) => {
    // SIGHUP is a request to reload, unless it says that the terminal is gone: then nobody could stop us any more.
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
