import { expect, test } from 'vitest'
import { SecretBox } from '../../src/model/secret-box.ts'

const SECRET = 'a secret of sixteen or more'

test('what is sealed can be opened with the same secret, by another process', () => {
  const sealed = new SecretBox(SECRET).seal('größe', 'keys')
  expect(sealed).toMatch(/^sealed:v1:[\w-]{22}\.[\w-]{16}\.[\w-]+$/)
  expect(sealed).not.toContain('größe')
  expect(new SecretBox(SECRET).open(sealed, 'keys')).toEqual({ text: 'größe' })
})

test('the same text is sealed differently each time', () => {
  const box = new SecretBox(SECRET)
  expect(box.seal('a', 'keys')).not.toBe(box.seal('a', 'keys'))
})

test('another secret, another purpose and a changed text do not open it', () => {
  const sealed = new SecretBox(SECRET).seal('text', 'keys')
  expect(new SecretBox('another secret here').open(sealed, 'keys')).toEqual({ problem: 'otherSecret' })
  expect(new SecretBox(SECRET).open(sealed, 'certificates')).toEqual({ problem: 'otherSecret' })
  expect(new SecretBox('').open(sealed, 'keys')).toEqual({ problem: 'noSecret' })
  for (const at of [12, 40, sealed.length - 2]) {
    const changed = `${sealed.slice(0, at)}${sealed[at] === 'A' ? 'B' : 'A'}${sealed.slice(at + 1)}`
    expect(new SecretBox(SECRET).open(changed, 'keys'), changed).toEqual({ problem: 'otherSecret' })
  }
  for (const cut of ['sealed:v1:', 'sealed:v1:a', 'sealed:v1:a.b.c', sealed.slice(0, -30)])
    expect(new SecretBox(SECRET).open(cut, 'keys'), cut).toEqual({ problem: 'otherSecret' })
})

test('texts in plain are read, with a secret and without', () => {
  for (const secret of ['', SECRET]) expect(new SecretBox(secret).open('plain', 'keys')).toEqual({ text: 'plain' })
  expect(new SecretBox('').seal('plain', 'keys')).toBe('plain')
})
