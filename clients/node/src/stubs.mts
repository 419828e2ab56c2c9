export * from './stubs.js'
