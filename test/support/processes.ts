import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

export type Role = 'supervisor' | 'control' | 'worker'

export interface ProcessOf {
  readonly pid: number
  readonly role: Role
}

/** The processes of an instance by the id of the one that was started, as the system knows them: no answer is needed. */
export function processesOf(pid: number): ProcessOf[] {
  return descendants(pid).flatMap((each) => {
    const role = each === pid ? 'supervisor' : roleIn(commandLineOf(each))
    return role === null ? [] : [{ pid: each, role }]
  })
}

/** A process and those it has started, and theirs. */
export function descendants(pid: number): number[] {
  const parents = new Map<number, number>()
  for (const entry of readdirSync('/proc')) {
    if (/^\d+$/.test(entry)) parents.set(Number(entry), parentOf(entry))
  }
  return [...parents.keys()].filter((each) => {
    for (let id: number | undefined = each; id !== undefined; id = parents.get(id)) if (id === pid) return true
    return false
  })
}

/** Resident memory, bytes; 0 when the process has gone. */
export function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(read(`/proc/${pid}/status`))?.[1]
  return Number(kilobytes ?? 0) * 1024
}

/** How many descriptors a process has open; 0 when it has gone. */
export function openDescriptors(pid: number): number {
  return list(`/proc/${pid}/fd`).length
}

/** The clients' ports of the connections that a process has accepted at a port of 127.0.0.1. */
export function clientPortsAt(pid: number, port: number): Set<number> {
  const sockets = new Set(list(`/proc/${pid}/fd`).flatMap((fd) => inode(`/proc/${pid}/fd/${fd}`)))
  const ports = new Set<number>()
  for (const line of read('/proc/net/tcp').split('\n').slice(1)) {
    const [, local = '', remote = '', , , , , , , node = ''] = line.trim().split(/\s+/)
    if (portIn(local) === port && sockets.has(node)) ports.add(portIn(remote))
  }
  return ports
}

/** Whether a process does nothing, having been told to stop (SIGSTOP), or is gone. */
export function hasStopped(pid: number): boolean {
  const state = afterName(read(`/proc/${pid}/stat`))[0] ?? ''
  return state === '' || 'TZX'.includes(state)
}

function roleIn(commandLine: string): Role | null {
  if (commandLine.includes('control-main')) return 'control'
  return commandLine.includes('worker-main') ? 'worker' : null
}

function commandLineOf(pid: number): string {
  return read(`/proc/${pid}/cmdline`)
}

/** 0: it has gone. */
function parentOf(pid: string): number {
  return Number(afterName(read(`/proc/${pid}/stat`))[1] ?? 0)
}

/** proc(5): the fields behind a name in brackets that may hold anything. */
function afterName(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** proc(5): addresses are written in hexadecimal digits, the port behind a colon. */
function portIn(address: string): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16)
}

function inode(descriptor: string): string[] {
  try {
    const node = /^socket:\[(\d+)\]$/.exec(readlinkSync(descriptor))?.[1]
    return node === undefined ? [] : [node]
  } catch {
    return []
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch {
    return ''
  }
}
