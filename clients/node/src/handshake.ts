import type { IncomingMessage } from 'node:http'
import { unescape } from 'node:querystring'
import type { Socket } from 'socket.io'
import type { Handshake } from './generated/socketpass/v1/authorization_service'

/** What a Socket.IO client sent when it asked for a namespace. */
export function ofSocket ({ handshake, nsp, request }: Socket): Handshake {
  return {
    // The handshake's own headers are there with every server that Socket.IO runs on, the request's with Node's alone.
    headers: request.rawHeaders === undefined ? joined(handshake.headers) : headersOf(request),
    url: handshake.url,
    auth: handshake.auth,
    remoteAddress: handshake.address ?? '', // None on a Unix socket.
    xdomain: handshake.xdomain,
    namespace: nsp.name
  }
}

/** What a client sent when it asked for a WebSocket. */
export function ofUpgrade (request: IncomingMessage): Handshake {
  return {
    headers: headersOf(request),
    url: request.url ?? '',
    auth: undefined,
    remoteAddress: request.socket.remoteAddress ?? '',
    xdomain: false,
    namespace: pathOf(request)
  }
}

/**
 * The path as routers see it: that of the URL, so `/a/../admin` is `/admin`, and decoded, so `/%61dmin` is it, too. What is no
 * UTF-8 becomes U+FFFD.
 */
export function pathOf ({ url = '' }: IncomingMessage): string {
  const path = URL.canParse(url, 'ws://localhost') ? new URL(url, 'ws://localhost').pathname : url.split('?', 1)[0]!
  return unescape(path)
}

// Node's own `headers` drops some that come twice. It has read the bytes as Latin-1.
function headersOf ({ rawHeaders }: IncomingMessage): Record<string, string> {
  const headers: Record<string, string> = Object.create(null)
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!.toLowerCase()
    const before = headers[name]
    const value = rawHeaders[i + 1]!
    headers[name] = before === undefined ? value : `${before}${separator(name)}${value}`
  }
  return headers
}

function joined (headers: NodeJS.Dict<string | string[]>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase(), [value ?? []].flat().join(separator(name))])
  )
}

function separator (name: string): string {
  return name === 'cookie' ? '; ' : ', '
}
