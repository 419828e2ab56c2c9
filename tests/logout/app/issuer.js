// An issuer with a key for each algorithm. It signs whatever it is asked to, publishes the keys it is told to, and counts how
// often they are fetched.
import { createServer } from 'node:http'
import { CompactSign, exportJWK, generateKeyPair } from 'jose'

const names = { rs256: 'RS256', next: 'RS256', ps256: 'PS256', es256: 'ES256', eddsa: 'EdDSA', stranger: 'RS256' }
const keys = {}
for (const [name, alg] of Object.entries(names)) {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  keys[name] = { privateKey, jwk: { ...await exportJWK(publicKey), kid: name, use: 'sig', alg } }
}

let published = { names: Object.keys(names).filter((name) => name !== 'next' && name !== 'stranger') }
let fetches = 0

const base64url = (value) => Buffer.from(value).toString('base64url')

async function sign({ key, header, payload }) {
  if (key === 'none') return `${base64url(JSON.stringify(header))}.${base64url(payload)}.`
  // Whoever takes any algorithm takes the public key for a secret.
  const secret = key === 'public' ? Buffer.from(JSON.stringify(keys.rs256.jwk)) : keys[key].privateKey
  const signing = new CompactSign(Buffer.from(payload)).setProtectedHeader(header)
  return signing.sign(secret, { crit: Object.fromEntries((header.crit ?? []).map((name) => [name, true])) })
}

function jwks({ names, status = 200, body, without = [] }) {
  const set = { keys: (names ?? []).map((name) => keys[name].jwk) }
  const kept = set.keys.map((jwk) => Object.fromEntries(Object.entries(jwk).filter(([field]) => !without.includes(field))))
  return [status, body ?? JSON.stringify({ keys: kept })]
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  const answer = (status, text = '') => {
    response.writeHead(status, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }).end(text)
  }
  switch (request.url) {
    case '/jwks':
      fetches += 1
      return answer(...jwks(published))
    case '/publish':
      published = JSON.parse(body)
      return answer(204)
    case '/fetches':
      return answer(200, String(fetches))
    case '/sign':
      return answer(200, await sign(JSON.parse(body)))
    default:
      return answer(404)
  }
})
server.listen(0, '127.0.0.1', () => console.log(`listening on http://127.0.0.1:${server.address().port}`))
