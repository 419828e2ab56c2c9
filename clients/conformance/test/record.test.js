import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Record } from '../lib/peer/record.js'
import { Happenings } from '../lib/until.js'

const hello = { message: 'hello', hello: { gateway_id: 'g', incarnation: 'i', labels: {} } }
const goodbye = { message: 'goodbye', goodbye: {} }
const opened = id => ({ opened: { socket_id: id } })
const closed = id => ({ closed: { socket_id: id } })

function batch (sequence, events = [], complete = false) {
  return { message: 'batch', batch: { sequence, events, complete } }
}

// What is wrong when a gateway says this; texts are what the service says in between.
function violations (...messages) {
  const record = new Record(new Happenings())
  const stream = record.stream({ metadata: { getMap: () => ({}) } })
  for (const message of messages) {
    if (message === 'welcome') stream.give({ welcome: { lease: { seconds: 15, nanos: 0 } } })
    else if (message === 'ack') stream.give({ ack: { sequence: stream.acked + stream.underWay } })
    else if (message === 'command') stream.give({ command: { command_id: 'c', disconnect: { socket_ids: ['s'] } } })
    else stream.take(message)
  }
  return record.violations.map(text => text.replace('the stream: ', ''))
}

const batches = (from, count) => Array.from({ length: count }, (_, index) => batch(from + index))
const result = { message: 'command_result', command_result: { command_id: 'c', done: ['s'] } }

test('a stream that keeps the rules', () => {
  const listing = [hello, 'welcome', batch(1, [opened('s')]), batch(2, [], true)]
  assert.deepEqual(violations(...listing, 'ack', 'command', result, batch(3, [closed('s')]), goodbye), [])
})

for (const [rule, ...said] of [
  ['hello comes first', batch(1)],
  ['hello comes first', hello, 'welcome', hello],
  ['nothing comes before the welcome', hello, batch(1)],
  ['batch 2 follows on 0', hello, 'welcome', batch(2)],
  ['at most 500 events', hello, 'welcome', batch(1, Array.from({ length: 501 }, (_, index) => opened(`s${index}`)))],
  ['complete is said once', hello, 'welcome', batch(1, [], true), batch(2, [], true)],
  ['at most 16 batches', hello, 'welcome', ...batches(1, 17)],
  ['61 batches within a second', hello, 'welcome', ...batches(1, 61).flatMap(one => [one, 'ack'])],
  ['not told to be open', hello, 'welcome', batch(1, [closed('s')])],
  ['a command is answered, once', hello, 'welcome', result],
  ['a command is answered, once', hello, 'welcome', 'command', result, result],
  ['nothing comes after goodbye', hello, 'welcome', goodbye, batch(1)]
]) {
  test(`a stream that breaks a rule: ${rule}`, () => {
    const [violation] = violations(...said)
    assert.ok(violation?.includes(rule), violation)
  })
}
