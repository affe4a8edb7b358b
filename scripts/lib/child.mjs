import { spawn } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter } from 'node:path'
import { binFolder, pinnedNode } from './paths.mjs'

const leash = new URL('./leash.mjs', import.meta.url).href
const samePressMs = 300

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

/** The same on the pinned Node, which comes first on the child's PATH too. The child ends when this process does. */
export function startNode(args, stdout = 'inherit') {
  return start(pinnedNode, ['--import', leash, ...args], {
    stdio: ['inherit', stdout, 'inherit', 'pipe'],
    env: { ...process.env, CUTOVER_LEASH: '3', PATH: [binFolder, process.env.PATH].join(delimiter) },
  })
}

/** Runs a command to its end, with our signals passed on. */
export async function run(command, args, options) {
  return finish(start(command, args, options))
}

/** Runs the pinned Node to its end, with our signals passed on. */
export async function runNode(args) {
  return finish(startNode(args))
}

async function finish({ child, ended }) {
  let interrupted = false
  const stopRelaying = relaySignals((signal) => {
    interrupted ||= signal === 'SIGINT' || signal === 'SIGTERM'
    child.kill(signal)
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
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2']
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
