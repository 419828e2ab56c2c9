// Tells socketpass who is behind the id that a session holds: `deserializeUser`, over gRPC.
import { timingSafeEqual } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import grpc from '@grpc/grpc-js'
import protoLoader from '@grpc/proto-loader'

const {
  HOST = '127.0.0.1',
  PORT = '50052',
  AUTHORIZATION // What user.authorization of socketpass is, if callers shall show it.
} = process.env

// Put your own database here. An id is a string, also where `serializeUser` stored a number.
const users = new Map([
  ['1', { id: 1, name: 'Ana', role: 'admin', teams: ['payments'] }],
  ['2', { id: 2, name: 'José', role: 'member', teams: [] }]
])

async function findUser (id) {
  return users.get(id)
}

async function resolveUser (call, callback) {
  if (AUTHORIZATION && !isSame(call.metadata.get('authorization')[0] ?? '', AUTHORIZATION)) {
    return callback({ code: grpc.status.UNAUTHENTICATED, details: 'authorization is not what it should be' })
  }
  try {
    const user = await findUser(call.request.id)
    if (user) callback(null, { user: toStruct(user) })
    else callback({ code: grpc.status.NOT_FOUND, details: 'there is no such user' })
  } catch (error) {
    console.error(error)
    callback({ code: grpc.status.UNAVAILABLE, details: 'the database does not answer' })
  }
}

function isSame (shown, expected) {
  const [a, b] = [shown, expected].map(text => Buffer.from(text))
  return a.length === b.length && timingSafeEqual(a, b)
}

// google.protobuf.Struct of what JSON can say.
function toStruct (object) {
  const members = Object.entries(object).filter(([, value]) => value !== undefined)
  return { fields: Object.fromEntries(members.map(([name, value]) => [name, toValue(value)])) }
}

function toValue (value) {
  if (value === null) return { nullValue: 'NULL_VALUE' }
  if (Array.isArray(value)) return { listValue: { values: value.map(toValue) } }
  switch (typeof value) {
    case 'boolean': return { boolValue: value }
    case 'number': return { numberValue: value }
    case 'object': return value instanceof Date ? { stringValue: value.toJSON() } : { structValue: toStruct(value) }
    default: return { stringValue: String(value) }
  }
}

const proto = fileURLToPath(new URL('../../proto', import.meta.url))
const definition = protoLoader.loadSync('socketpass/v1/user_source_service.proto', { includeDirs: [proto], enums: String })
const { UserSourceService } = grpc.loadPackageDefinition(definition).socketpass.v1

const server = new grpc.Server()
server.addService(UserSourceService.service, { resolveUser })
server.bindAsync(`${HOST}:${PORT}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error
  console.log(`listening on ${HOST}:${port}`)
})
process.on('SIGTERM', () => server.tryShutdown(() => process.exit()))
