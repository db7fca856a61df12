// Status 0 while walship answers on /healthz. Whether it is ready is another question: a restart would not help there.
import http from 'node:http'
import https from 'node:https'

const { WALSHIP_HTTP = '9187', WALSHIP_HTTP_TLS_CERT } = process.env
const port = /\d+$/.exec(WALSHIP_HTTP)?.[0]
// The name is not looked at: it is this very container.
const client = WALSHIP_HTTP_TLS_CERT ? https : http
const options = { host: '127.0.0.1', port, path: '/healthz', timeout: 4000, rejectUnauthorized: false }

const request = client.get(options, ({ statusCode }) => process.exit(statusCode === 200 ? 0 : 1))
request.on('timeout', () => request.destroy())
request.on('error', () => process.exit(1))
