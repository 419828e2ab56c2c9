import assert from 'node:assert/strict'
import { test } from 'node:test'
import { difference, filled, setDifference } from '../lib/match.js'

const same = [
  [{ a: 1 }, { a: 1, b: 2 }],
  [[{ a: 1 }], [{ a: 1, b: 2 }]],
  [null, null],
  [{ $exactly: { a: 1 } }, { a: 1 }],
  [{ a: { $match: '^x' } }, { a: 'xy' }],
  [{ $between: [1, 2] }, 2],
  [{ $recent: 5 }, Date.now() - 1_000],
  [{ $empty: true }, {}],
  [{ $empty: true }, null],
  [{ $not: { a: 1 } }, { a: 2 }],
  [{ $not: { a: { $match: '' } } }, {}],
  [{}, { a: 1 }]
]
const different = [
  [{ a: 1 }, { a: '1' }],
  [{ a: 1 }, {}],
  [{ a: 1 }, null],
  [{}, 'text'],
  [[1], [1, 2]],
  [[], {}],
  [null, undefined],
  [{ $exactly: { a: 1 } }, { a: 1, b: 2 }],
  [{ $match: 'x' }, 1],
  [{ $between: [1, 2] }, 3],
  [{ $recent: 5 }, Date.now() - 6_000],
  [{ $empty: true }, { a: 1 }],
  [{ $not: { a: 1 } }, { a: 1 }]
]

test('what is as expected', () => {
  for (const [expected, seen] of same) assert.equal(difference(expected, seen), undefined)
})

test('what is not', () => {
  for (const [expected, seen] of different) assert.notEqual(difference(expected, seen), undefined)
})

test('a difference names its place', () => {
  assert.equal(difference({ a: [{ b: 1 }] }, { a: [{ b: 2 }] }), 'a[0].b: expected 1, seen 2')
})

test('a matcher that does not exist is a mistake of the case', () => {
  assert.throws(() => difference({ $almost: 1 }, 1), /\$almost/)
})

test('sets have no order and no more than they should', () => {
  assert.equal(setDifference([{ a: 1 }, { a: 2 }], [{ a: 2 }, { a: 1 }], 'it'), undefined)
  assert.match(setDifference([{ a: 1 }], [{ a: 1 }, { a: 2 }], 'it'), /not expected/)
  assert.match(setDifference([{ a: 1 }, { a: 1 }], [{ a: 1 }], 'it'), /expected/)
})

test('names stand for values, alone or within a text', () => {
  const names = { a: 'one', n: 3, none: null }
  const value = { x: '<a>', y: ['<n>', 'to <a>!', '<b>'], z: '<none>' }
  assert.deepEqual(filled(value, names), { x: 'one', y: [3, 'to one!', '<b>'], z: null })
})
