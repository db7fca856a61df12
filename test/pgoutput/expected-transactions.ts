/** What the transactions of every-kind.ts are to be decoded to, as describe-transaction.ts writes them. */

/** @param major of the server; before 14 it sends no messages, before 11 no truncate */
export function expectedOrdinary(major: number): readonly string[][] {
  return [
    [
      'committed',
      'insert by_key id=1 name=Zoë mood=calm note=n…',
      'insert by_key id=2 name=null mood=null note=',
    ],
    ['committed', 'update by_key id=1 name=plain mood=calm note=(unchanged)'],
    ['committed', 'update by_key id=2 -> id=3 name=null mood=null note='],
    ['committed', 'delete by_key id=3'],
    ['committed', 'insert by_index id=1 code=a __proto__=x'],
    ['committed', 'update by_index id=2 code=a __proto__=x'],
    ['committed', 'update by_index code=a -> id=2 code=b __proto__=x'],
    ['committed', 'delete by_index code=b'],
    ['committed', 'insert whole_rows id=1 note=w…'],
    ['committed', 'update whole_rows id=1 note=w… -> id=2 note=(unchanged)'],
    ['committed', 'delete whole_rows id=2 note=w…'],
    ['committed', 'insert no_key id=1 name=x'],
    ...(major >= 11 ? [['committed', 'truncate by_key,no_key cascade restart']] : []),
    ...(major >= 14 ? [['message loose: outside']] : []),
    ['committed', 'insert no_key id=2 name=y', ...(major >= 14 ? ['message tied: inside'] : [])],
    ['committed', 'insert no_key id=3 name=z'],
    ['committed', 'insert no_key id=3 name=u'],
    ['committed', 'insert no_key id=4 name=more more=5'],
  ]
}

/** @param major of the server; before 15 a prepared transaction is one like any other, once it has committed */
export function expectedStreamed(major: number): readonly string[][] {
  const twoPhase = major >= 15
  const prepared = [...(major >= 11 ? ['truncate no_key'] : []), 'insert no_key id=5 name=prepared.… extra=7']
  const small = 'insert no_key id=100 name=small extra=7'
  return [
    [
      'committed',
      'insert no_key id=5 name=kept.…',
      'insert no_key id=5 name=kept too.…',
      'insert no_key id=5 name=last.…',
      ...(major >= 14 ? ['message tied: in a large one'] : []),
    ],
    ['committed', 'insert no_key id=5 name=wider.… extra=7'],
    ['committed', 'insert no_key id=99 name=after the wider ones extra=7'],
    ['committed', 'insert no_key id=5 name=from elsewhere.… extra=7'],
    ...(twoPhase
      ? [
          ['prepared to commit', ...prepared],
          ['commit prepared to commit'],
          // Decoded after its rollback: the server leaves the rows out.
          ['prepared to roll back'],
          ['rollback prepared to roll back'],
          ['prepared small', small],
          ['commit prepared small'],
        ]
      : [
          ['committed', ...prepared],
          ['committed', small],
        ]),
  ]
}

/** Servers send transactions that changed nothing of interest as empty ones, some versions more than others. */
export function isEmpty(lines: readonly string[]): boolean {
  return lines.length === 1 && lines[0] === 'committed'
}
