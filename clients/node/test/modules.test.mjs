import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { test } from 'node:test'
import * as imported from 'socketpass'
import * as stubs from 'socketpass/stubs'

const require = createRequire(import.meta.url)

test('import and require give the same', () => {
  const required = require('socketpass')
  assert.deepEqual(Object.keys(required).sort(), ['SocketPass', 'authorize', 'filterSocketsByUser'])
  for (const name of Object.keys(required)) assert.equal(imported[name], required[name])
  assert.equal(stubs.RegistryServiceClient, require('socketpass/stubs').RegistryServiceClient)
})
