import { describe, expect, it } from 'vitest'
import { lookupAddresses } from '../../src/pg/address-lookup.js'
import { makeHostList } from '../../src/pg/host-list.js'

const hosts = (parameters: Record<string, string>, existing: readonly string[] = []) =>
  makeHostList(new Map(Object.entries(parameters)), (name) => existing.includes(name))

describe('the host list', () => {
  it('gives every host its port, or all the one', () => {
    expect(hosts({ host: 'a,b', port: '1,2' })).toMatchObject([
      { kind: 'name', host: 'a', port: 1 },
      { kind: 'name', host: 'b', port: 2 },
    ])
    expect(hosts({ host: 'a,b', port: '7' }).map((entry) => entry.port)).toEqual([7, 7])
    expect(hosts({ host: 'a,b', port: ',7' }).map((entry) => entry.port)).toEqual([5432, 7])
  })

  it('prefers a hostaddr and keeps the name beside it', () => {
    expect(hosts({ host: 'a,b', hostaddr: '10.0.0.1,' })).toMatchObject([
      { kind: 'address', host: 'a', hostaddr: '10.0.0.1' },
      { kind: 'name', host: 'b' },
    ])
    expect(hosts({ hostaddr: '10.0.0.1,::1' })).toMatchObject([
      { kind: 'address', host: '', hostaddr: '10.0.0.1' },
      { kind: 'address', host: '', hostaddr: '::1' },
    ])
  })

  it('takes an absolute path for a socket directory, and @ for the abstract name space', () => {
    expect(hosts({ host: '/srv/s', port: '7' })).toMatchObject([
      { kind: 'socket', socketPath: '/srv/s/.s.PGSQL.7' },
    ])
    expect(hosts({ host: '@srv' })).toMatchObject([{ kind: 'socket', socketPath: '@srv/.s.PGSQL.5432' }])
  })

  it('looks for the default socket where Debian has it, then where PostgreSQL has it', () => {
    const debian = '/var/run/postgresql'
    expect(hosts({}, [`${debian}/.s.PGSQL.5432`, '/tmp/.s.PGSQL.5432'])).toMatchObject([{ host: debian }])
    expect(hosts({}, [debian, '/tmp', '/tmp/.s.PGSQL.5432'])).toMatchObject([{ host: '/tmp' }])
    expect(hosts({ port: '7' }, [debian, '/tmp', '/tmp/.s.PGSQL.5432'])).toMatchObject([{ host: debian }])
    expect(hosts({}, [])).toMatchObject([{ host: '/tmp', socketPath: '/tmp/.s.PGSQL.5432' }])
  })

  it('refuses a path that does not fit into a socket address', () => {
    const directory = `/${'x'.repeat(100)}`
    expect(() => hosts({ host: directory })).toThrow(
      `Unix-domain socket path "${directory}/.s.PGSQL.5432" is too long (maximum 107 bytes)`,
    )
  })
})

describe('the addresses of a host', () => {
  const entry = hosts({ host: 'name', port: '7' })[0]!

  it('are all that the look-up gives, in its order', async () => {
    const found = await lookupAddresses(entry, undefined, async () => [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ])
    expect(found).toEqual([
      { kind: 'tcp', ip: '::1', port: 7 },
      { kind: 'tcp', ip: '127.0.0.1', port: 7 },
    ])
  })

  it('are missing with the words of libpq, and may be there later', async () => {
    const lookup = async () => {
      throw Object.assign(new Error('getaddrinfo ENOTFOUND name'), { code: 'ENOTFOUND' })
    }
    await expect(lookupAddresses(entry, undefined, lookup)).rejects.toMatchObject({
      message: 'could not translate host name "name" to address: Name or service not known',
      retryable: true,
    })
  })

  it('are not looked up for a hostaddr, which must be numeric', async () => {
    await expect(lookupAddresses(hosts({ hostaddr: 'name' })[0]!)).rejects.toThrow(
      'could not parse network address "name": Name or service not known',
    )
    await expect(lookupAddresses(hosts({ hostaddr: '::1' })[0]!)).resolves.toMatchObject([{ ip: '::1' }])
  })

  it('give up waiting when the signal aborts', async () => {
    const reason = new Error('enough')
    const never = () => new Promise<never>(() => {})
    await expect(lookupAddresses(entry, AbortSignal.abort(reason), never)).rejects.toBe(reason)
  })
})
