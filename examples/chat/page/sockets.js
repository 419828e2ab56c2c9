// A socket to a room, over Socket.IO or as a plain WebSocket. Both carry the same events; `on` hears of them:
//   opened(), heard(event, args), closed({ code, reason })
// What is answered is the way to say something, and to close.

export function overSocketIo (url, on) {
  const socket = window.io(url, { transports: ['websocket'], reconnection: false, forceNew: true })
  let close = { code: 1006, reason: 'connection lost' }
  socket.on('connect', on.opened)
  socket.onAny((event, ...args) => on.heard(event, args))
  // Socket.IO has no close codes: the fleet's arrive as an event.
  socket.on('socketpass:close', told => {
    close = told
    socket.disconnect()
  })
  socket.on('disconnect', () => on.closed(close))
  socket.on('connect_error', error => on.closed(error.data ?? { code: 1006, reason: 'not reachable' }))
  return { say: (event, value) => socket.emit(event, value), close: () => socket.disconnect() }
}

export function overWebSocket (url, on) {
  const socket = new WebSocket(url)
  let was = 'not reachable'
  socket.addEventListener('open', () => {
    was = 'connection lost'
    on.opened()
  })
  socket.addEventListener('message', ({ data }) => {
    const { event, args } = JSON.parse(data)
    on.heard(event, args)
  })
  socket.addEventListener('close', ({ code, reason }) => on.closed({ code, reason: reason || was }))
  return { say: (event, value) => socket.send(JSON.stringify({ event, args: [value] })), close: () => socket.close() }
}
