import { type Close, anonymous, usable } from './decision'
import { type Command } from './generated/socketpass/v1/registry_service'
import type { Log } from './log'
import type { Reporter } from './reporter'
import type { User } from './settings'
import { pack } from './struct'

const DISCONNECTED: Close = { code: 4505, reason: 'disconnected' }

/** Carries a command out; the sockets for which it is so now. One that is not known here is done for none. */
export function obey ({ command }: Command, reporter: Reporter, log: Log): string[] {
  const { sockets } = reporter
  const done = (socketIds: string[], each: (socketId: string) => boolean): string[] => socketIds.filter(socketId => {
    try {
      return each(socketId)
    } catch (error) {
      // An event that the library does not send, or the application's own listener.
      const why = error instanceof Error ? error.message : String(error)
      log.say(`command ${command?.$case}`, why, `the command ${command?.$case} failed for socket ${socketId}: ${why}`)
      return false
    }
  })
  switch (command?.$case) {
    case 'disconnect': {
      const close = usable(command.value.close, DISCONNECTED)
      return done(command.value.socketIds, socketId => {
        const socket = sockets.get(socketId)
        if (socket !== undefined) reporter.disconnect(socket, close)
        return true // One that is gone already is disconnected, too.
      })
    }
    case 'send': {
      const { event, args } = command.value
      return done(command.value.socketIds, socketId => sockets.get(socketId)?.send(event, args) ?? false)
    }
    case 'userChanged': {
      const user = (command.value.user as User | undefined) ?? anonymous()
      const reported = pack(user)
      return done(command.value.socketIds, socketId => {
        const socket = sockets.get(socketId)
        if (socket === undefined) return false
        socket.reported = reported
        // Each has its own: the application may write to it.
        socket.user = structuredClone(user)
        socket.userChanged(socket.user)
        return true
      })
    }
    case undefined:
      return []
  }
}
