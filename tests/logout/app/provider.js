// An OpenID provider as its package comes, with a client for each algorithm, and a browser that logs in to one of them and
// out again. `/log-in-and-out?client=…&account=…` answers what the provider heard from the client's back-channel.
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { Provider } from 'oidc-provider'

const backchannel = process.env.BACKCHANNEL
const algorithms = ['RS256', 'PS256', 'ES256', 'EdDSA']

const server = createServer()
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
const issuer = `http://127.0.0.1:${server.address().port}`

const keys = await Promise.all(algorithms.map(async (alg) => {
  const { privateKey } = await generateKeyPair(alg, { extractable: true })
  return { ...await exportJWK(privateKey), kid: alg, use: 'sig', alg }
}))
const clients = algorithms.map((alg) => ({
  client_id: alg,
  client_secret: 'a secret of the test',
  redirect_uris: [`${issuer}/callback`],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  id_token_signed_response_alg: alg,
  backchannel_logout_uri: backchannel,
  backchannel_logout_session_required: true,
}))
const provider = new Provider(issuer, {
  clients,
  jwks: { keys },
  cookies: { keys: ['a key of the test'] },
  pkce: { required: () => false },
  // The provider connects to no loopback address: whoever registers a client could have it ask this machine.
  fetch: (url, { dispatcher, ...options }) => fetch(url, options),
  enabledJWA: { idTokenSigningAlgValues: algorithms },
  features: { backchannelLogout: { enabled: true }, devInteractions: { enabled: true } },
})
let heard = []
provider.on('backchannel.success', (_, client, account) => heard.push({ client: client.clientId, account, done: true }))
provider.on('backchannel.error', (_, error, client, account) =>
  heard.push({ client: client.clientId, account, done: false, error: error.message }))

// As much of a browser as the provider's pages need: cookies, redirects and forms.
function browser() {
  const cookies = new Map()
  return async function open(url, form) {
    const response = await fetch(new URL(url, issuer), {
      method: form ? 'POST' : 'GET',
      body: form && new URLSearchParams(form),
      redirect: 'manual',
      headers: { cookie: [...cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
    })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)
      if (value) cookies.set(name, value)
      else cookies.delete(name)
    }
    const to = response.headers.get('location')
    if (to && !to.startsWith(`${issuer}/callback`)) return open(to)
    return { url: to ?? url, page: await response.text() }
  }
}

const found = (pattern, text) => {
  const match = pattern.exec(text)
  if (!match) throw new Error(`no ${pattern} in ${text}`)
  return match[1]
}

async function logInAndOut(client, account) {
  heard = []
  const open = browser()
  const query = new URLSearchParams({ client_id: client, response_type: 'code', scope: 'openid', redirect_uri: `${issuer}/callback` })
  const login = await open(`/auth?${query}`)
  const consent = await open(found(/action="([^"]+)"/, login.page), { prompt: 'login', login: account, password: 'x' })
  const back = await open(found(/action="([^"]+)"/, consent.page), { prompt: 'consent' })
  found(/(callback\?code=)/, back.url)
  const leave = await open('/session/end')
  await open('/session/end/confirm', { xsrf: found(/name="xsrf" value="([^"]+)"/, leave.page), logout: 'yes' })
  return heard
}

const handle = provider.callback()
server.on('request', (request, response) => {
  const { pathname, searchParams } = new URL(request.url, issuer)
  if (pathname !== '/log-in-and-out') return handle(request, response)
  logInAndOut(searchParams.get('client'), searchParams.get('account')).then(
    (heard) => response.end(JSON.stringify(heard)),
    (error) => response.writeHead(500).end(error.stack),
  )
})
console.log(`listening on ${issuer}`)
