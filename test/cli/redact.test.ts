import { describe, expect, it } from 'vitest'
import { maskedArguments } from '../../src/cli/process-title.js'
import { redactSecrets } from '../../src/cli/redact.js'

describe('redactSecrets', () => {
  it.each([
    ['postgresql://ada:hunter2@db:5432/x', 'postgresql://ada:********@db:5432/x'],
    ['postgres://ada:p%40ss@db1,db2/x?sslmode=require', 'postgres://ada:********@db1,db2/x?sslmode=require'],
    ['postgres://:hunter2@db', 'postgres://:********@db'],
    ['postgresql://ada:a@b:c@db/x', 'postgresql://ada:********@db/x'],
    [
      'postgresql://db/x?password=hunter2&sslmode=require',
      'postgresql://db/x?password=********&sslmode=require',
    ],
    ['host=db password=hunter2 user=ada', 'host=db password=******** user=ada'],
    ["password = 'it\\'s  secret' user=ada", 'password = ******** user=ada'],
    ['postgresql://ada:pa/ss?w@rd@db/x', 'postgresql://ada:********@db/x'],
    ['https://ada:hunter2@walship:9187/', 'https://ada:********@walship:9187/'],
    ['user=ada scram_client_key=c2VjcmV0 host=db', 'user=ada scram_client_key=******** host=db'],
    ["scram_server_key = 'c2VjcmV0'", 'scram_server_key = ********'],
    ['oauth_client_secret=hunter2', 'oauth_client_secret=********'],
    ["sslpassword='never closed", 'sslpassword=********'],
    ['password=two\\ words user=ada', 'password=******** user=ada'],
  ])('masks %j', (text, expected) => {
    expect(redactSecrets(text)).toBe(expected)
  })

  it.each([
    'postgresql://ada@db:5432/x',
    'postgresql://db:5432/x',
    'fe_sendauth: no password supplied',
    'password authentication failed for user "ada"',
    '--no-password --password',
  ])('leaves %j alone', (text) => {
    expect(redactSecrets(text)).toBe(text)
  })
})

it('a command line shows no value that is a secret as a whole', () => {
  const url = 'https://beats.example/secret'
  expect(maskedArguments(['receive', '--heartbeat-url', url, '-D', 'x'])).toEqual([
    'receive',
    '--heartbeat-url',
    '********',
    '-D',
    'x',
  ])
  expect(maskedArguments([`--heartbeat-url=${url}`, url])).toEqual(['--heartbeat-url=********', url])
})
