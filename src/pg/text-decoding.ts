import { UsageError } from './errors.js'

/** UTF-8 as text; what is not UTF-8 becomes replacement characters. */
export function utf8Text(bytes: Buffer): string {
  return bytes.toString('utf8')
}

/** PostgreSQL's encodings (chapter 23.3.1) by the names that TextDecoder knows. */
const TEXT_DECODER_LABELS: Readonly<Record<string, string>> = {
  BIG5: 'big5',
  EUC_CN: 'gb18030',
  EUC_JP: 'euc-jp',
  EUC_KR: 'euc-kr',
  GB18030: 'gb18030',
  GBK: 'gbk',
  ISO_8859_5: 'iso-8859-5',
  ISO_8859_6: 'iso-8859-6',
  ISO_8859_7: 'iso-8859-7',
  ISO_8859_8: 'iso-8859-8',
  KOI8R: 'koi8-r',
  KOI8U: 'koi8-u',
  LATIN2: 'iso-8859-2',
  LATIN3: 'iso-8859-3',
  LATIN4: 'iso-8859-4',
  LATIN5: 'windows-1254',
  LATIN6: 'iso-8859-10',
  LATIN7: 'iso-8859-13',
  LATIN8: 'iso-8859-14',
  LATIN9: 'iso-8859-15',
  SJIS: 'shift_jis',
  SQL_ASCII: 'utf-8',
  UHC: 'euc-kr',
  UTF8: 'utf-8',
  WIN866: 'ibm866',
  WIN874: 'windows-874',
  WIN1250: 'windows-1250',
  WIN1251: 'windows-1251',
  WIN1253: 'windows-1253',
  WIN1254: 'windows-1254',
  WIN1255: 'windows-1255',
  WIN1256: 'windows-1256',
  WIN1257: 'windows-1257',
  WIN1258: 'windows-1258',
}

/**
 * How to read text in an encoding. Bytes that are not of it become replacement characters: one bad
 * character must not stop a consumer for good.
 *
 * @param encoding PostgreSQL's name (`LATIN1`, as `server_encoding` has it) or a label of TextDecoder
 * @throws UsageError for an encoding that this Node.js cannot read
 */
export function textDecoding(encoding: string): (bytes: Buffer) => string {
  // TextDecoder's own latin1 is Windows-1252, and Node.js 20 reads both as true Latin 1.
  if (/^LATIN1$/i.test(encoding)) return (bytes) => bytes.toString('latin1')
  if (/^(WIN1252|windows-1252)$/i.test(encoding)) return windows1252Text
  const label = TEXT_DECODER_LABELS[encoding.toUpperCase()] ?? encoding
  if (/^utf-?8$/i.test(label)) return utf8Text
  try {
    const decoder = new TextDecoder(label, { ignoreBOM: true })
    return (bytes) => decoder.decode(bytes)
  } catch (cause) {
    throw new UsageError(`cannot read text in the encoding ${JSON.stringify(encoding)}`, {
      hint: 'read the bytes of the message, or name an encoding of TextDecoder',
      cause,
    })
  }
}

/** Windows-1252 from 0x80 to 0x9F; the places that it leaves free are control characters. */
const WINDOWS_1252_HIGH = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8DŽ\x8F\x90‘’“”•–—˜™š›œ\x9DžŸ'

function windows1252Text(bytes: Buffer): string {
  return bytes
    .toString('latin1')
    .replace(/[\x80-\x9F]/g, (character) => WINDOWS_1252_HIGH[character.charCodeAt(0) - 0x80]!)
}
