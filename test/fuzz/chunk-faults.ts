/**
 * Bodies in chunks that are wrong, or odd, for requests as for responses: a name, whether it must be refused, and what
 * stands behind the head. The odd ones are `ODD_BODY` to whoever reads them. None of them makes the reader wait for more.
 */
export const BODY_FAULTS: readonly (readonly [name: string, fate: 'bad' | 'odd', payload: string])[] = [
  ...sizes(
    'bad',
    'x',
    '-5',
    '+5',
    '0x5',
    ' 5',
    '',
    '5\0',
    '5 5',
    '5,',
    '5\t5',
    '\xb5',
    'fffffffffffffffff',
    '10000000000000005',
  ),
  ...sizes('odd', '5 ', '5\t', '5 ;a', '5 ; a = b', '5;', '5;;', '00000000000000000005'),
  ['a chunk longer by 1', 'bad', '6\r\nhello\r\n0\r\n\r\n'],
  ['a chunk longer by 2', 'bad', '7\r\nhello\r\n0\r\n\r\n'],
  ['a chunk longer by 4', 'bad', '9\r\nhello\r\n0\r\n\r\n'],
  ['a chunk shorter by 1', 'bad', '4\r\nhello\r\n0\r\n\r\n'],
  ['a bare LF behind a size', 'bad', '5\nhello\r\n0\r\n\r\n'],
  ['a bare LF behind a chunk', 'bad', '5\r\nhello\n0\r\n\r\n'],
  ['a bare LF behind the last size', 'bad', '5\r\nhello\r\n0\n\r\n'],
  ['a bare CR behind a size', 'bad', '5\rhello\r\n0\r\n\r\n'],
  ['a bare CR behind a chunk', 'bad', '5\r\nhello\r0\r\n\r\n'],
  ['nothing behind a chunk', 'bad', '5\r\nhello0\r\n\r\n'],
  ['a bare LF in an extension', 'bad', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['a bare CR in an extension', 'bad', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a NUL in an extension', 'bad', '5;a\0b\r\nhello\r\n0\r\n\r\n'],
  ['a trailer without a colon', 'bad', '5\r\nhello\r\n0\r\nnonsense\r\n\r\n'],
  ['a trailer with a space before the colon', 'bad', '5\r\nhello\r\n0\r\nX : 1\r\n\r\n'],
  ['a folded trailer', 'bad', '5\r\nhello\r\n0\r\nX: 1\r\n 2\r\n\r\n'],
  ['a NUL in a trailer', 'bad', '5\r\nhello\r\n0\r\nX: \0\r\n\r\n'],
  ['a bare CR in a trailer', 'bad', '5\r\nhello\r\n0\r\nX: \r1\r\n\r\n'],
  ['a bare LF behind a trailer', 'bad', '5\r\nhello\r\n0\r\nX: 1\n\r\n'],
]

/** What `odd` ones mean, if they mean anything. */
export const ODD_BODY = 'hello'

/** What of a bad one may be taken for its body before it is seen to be bad is a part of this. */
export const BAD_BODY = 'hello\r\n0\r\n'

function sizes(fate: 'bad' | 'odd', ...spellings: readonly string[]) {
  return spellings.map(
    (size) => [`a chunk size ${JSON.stringify(size)}`, fate, `${size}\r\nhello\r\n0\r\n\r\n`] as const,
  )
}
