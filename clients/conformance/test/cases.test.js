import assert from 'node:assert/strict'
import { test } from 'node:test'
import { concerning, load, sets } from '../lib/cases.js'

test('all cases can be read, have names of their own, and say what they hold clients to', async () => {
  const cases = await load()
  const names = cases.map(({ name, peer }) => `${name} (${peer})`)
  assert.equal(new Set(names).size, names.length)
  for (const { name, promise } of cases) assert.ok(promise, name)
})

test('each kind plays what concerns it, the first also what is played once', () => {
  const client = { language: 'go', kinds: { coder: 'websocket' } }
  const others = [{ name: 'io', over: ['socket.io'] }, { name: 'python', languages: ['python'] }]
  const cases = [{ name: 'all' }, ...others, { name: 'once', once: true }]
  const names = first => concerning(cases, client, 'coder', first).map(({ name }) => name)
  assert.deepEqual(names(true), ['all', 'once'])
  assert.deepEqual(names(false), ['all'])
})

test('a kind does not play what it is without', () => {
  const client = { language: 'rust', kinds: { io: 'socket.io', ws: 'websocket' }, without: { io: { reconnection: 'why' } } }
  const cases = [{ name: 'all' }, { name: 'back', needs: 'reconnection' }]
  const names = kind => concerning(cases, client, kind, false).map(({ name }) => name)
  assert.deepEqual(names('io'), ['all'])
  assert.deepEqual(names('ws'), ['all', 'back'])
})

test('cases share a subject when they want the same one', () => {
  const shared = sets([
    { name: 'a', peer: 'scripted' }, { name: 'b', peer: 'scripted' }, { name: 'c', peer: 'real' },
    { name: 'd', peer: 'scripted', subject: { token: 't' } }, { name: 'e', peer: 'scripted', fresh: true }
  ])
  assert.deepEqual(shared.map(({ cases }) => cases.map(({ name }) => name)), [['a', 'b'], ['c'], ['d'], ['e']])
})
