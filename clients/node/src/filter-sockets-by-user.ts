import type { Namespace, Server, Socket } from 'socket.io'
import type { Params, RemoteSocket } from './fleet'
import type { User } from './settings'
import { gatewaysOf } from './socketpass'

type AnyServer = Server<any, any, any, any>
type AnyNamespace = Namespace<any, any, any, any>
type AnySocket = Socket<any, any, any, any>

/**
 * passport.socketio's `filterSocketsByUser`. With a function: the sockets that are open in this process, of all namespaces or
 * of the one that is given, whose user it holds for. With CEL text: those of the whole fleet.
 */
export function filterSocketsByUser (io: AnyServer | AnyNamespace, filter: (user: User) => unknown): AnySocket[]
export function filterSocketsByUser (io: AnyServer | AnyNamespace, filter: string, params?: Params): Promise<RemoteSocket[]>
export function filterSocketsByUser (
  io: AnyServer | AnyNamespace, filter: string | ((user: User) => unknown), params?: Params
): AnySocket[] | Promise<RemoteSocket[]> {
  const namespace = 'server' in io ? io : undefined
  const passes = gatewaysOf(namespace?.server ?? io)
  if (typeof filter === 'string') return inFleet()
  return passes
    .flatMap(pass => pass.sockets)
    .filter(({ socket, user }) => (namespace ?? io) === (namespace ? socket.nsp : socket.nsp?.server) && filter(user))
    .map(({ socket }) => socket)

  async function inFleet (): Promise<RemoteSocket[]> {
    const pass = passes.at(-1)
    if (pass === undefined) throw new TypeError('socketpass: filterSocketsByUser: there is no authorize() to ask through')
    const { sockets } = await pass.filterSockets(filter as string, params)
    return namespace ? sockets.filter(socket => socket.namespace === namespace.name) : sockets
  }
}
