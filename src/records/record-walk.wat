;; Walks over the records that lie whole on a page, and checks them: the part of a scan in which nearly all of its time
;; goes. It stops before the first record that is out of the ordinary in any way; what is wrong with that one, if
;; anything, is for the careful code to say (wal-scanner.ts).
;; PostgreSQL: src/backend/access/transam/xlogreader.c, src/port/pg_crc32c_sb8.c.
;;
;; Memory, whose addresses record-walk.ts knows too:
;;   0       16 tables of 256 words for CRC-32C: table k has the effect of a byte that is followed by k more
;;   16384   results: the number of records, the address of the last one
;;   65536   the page, or what there is of it
;;
;; record-walk-wasm.ts is made of this by scripts/assemble-wat.ts.
(module
  (memory (export "memory") 2)

  ;; Goes on with a CRC over the bytes from $at up to $to, sixteen at a time. The CRC is not inverted here.
  (func $extendCrc (export "extendCrc") (param $crc i32) (param $at i32) (param $to i32) (result i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32)
    (block $fewer (loop $sixteen
      (br_if $fewer (i32.lt_u (i32.sub (local.get $to) (local.get $at)) (i32.const 16)))
      (local.set $a (i32.xor (i32.load align=1 (local.get $at)) (local.get $crc)))
      (local.set $b (i32.load offset=4 align=1 (local.get $at)))
      (local.set $c (i32.load offset=8 align=1 (local.get $at)))
      (local.set $d (i32.load offset=12 align=1 (local.get $at)))
      ;; The first byte is followed by 15 more. What depends on $crc comes last, so that the rest need not wait for it.
      (i32.load offset=3072 (i32.and (i32.shl (local.get $d) (i32.const 2)) (i32.const 0x3fc)))
      (i32.load offset=2048 (i32.and (i32.shr_u (local.get $d) (i32.const 6)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=1024 (i32.and (i32.shr_u (local.get $d) (i32.const 14)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=0 (i32.and (i32.shr_u (local.get $d) (i32.const 22)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=7168 (i32.and (i32.shl (local.get $c) (i32.const 2)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=6144 (i32.and (i32.shr_u (local.get $c) (i32.const 6)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=5120 (i32.and (i32.shr_u (local.get $c) (i32.const 14)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=4096 (i32.and (i32.shr_u (local.get $c) (i32.const 22)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=11264 (i32.and (i32.shl (local.get $b) (i32.const 2)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=10240 (i32.and (i32.shr_u (local.get $b) (i32.const 6)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=9216 (i32.and (i32.shr_u (local.get $b) (i32.const 14)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=8192 (i32.and (i32.shr_u (local.get $b) (i32.const 22)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=15360 (i32.and (i32.shl (local.get $a) (i32.const 2)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=14336 (i32.and (i32.shr_u (local.get $a) (i32.const 6)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=13312 (i32.and (i32.shr_u (local.get $a) (i32.const 14)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=12288 (i32.and (i32.shr_u (local.get $a) (i32.const 22)) (i32.const 0x3fc))) i32.xor
      local.set $crc
      (local.set $at (i32.add (local.get $at) (i32.const 16)))
      (br $sixteen)))
    (block $fewer (loop $four
      (br_if $fewer (i32.lt_u (i32.sub (local.get $to) (local.get $at)) (i32.const 4)))
      (local.set $a (i32.xor (i32.load align=1 (local.get $at)) (local.get $crc)))
      (i32.load offset=3072 (i32.and (i32.shl (local.get $a) (i32.const 2)) (i32.const 0x3fc)))
      (i32.load offset=2048 (i32.and (i32.shr_u (local.get $a) (i32.const 6)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=1024 (i32.and (i32.shr_u (local.get $a) (i32.const 14)) (i32.const 0x3fc))) i32.xor
      (i32.load offset=0 (i32.and (i32.shr_u (local.get $a) (i32.const 22)) (i32.const 0x3fc))) i32.xor
      local.set $crc
      (local.set $at (i32.add (local.get $at) (i32.const 4)))
      (br $four)))
    (block $none (loop $one
      (br_if $none (i32.ge_u (local.get $at) (local.get $to)))
      (local.set $crc (i32.xor
        (i32.shr_u (local.get $crc) (i32.const 8))
        (i32.load (i32.and
          (i32.shl (i32.xor (local.get $crc) (i32.load8_u (local.get $at))) (i32.const 2))
          (i32.const 0x3fc)))))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $one)))
    (local.get $crc))

  ;; $at           address of a record's first byte
  ;; $end          address behind the last byte
  ;; $low, $high   add $low to an address to get the lower half of its position; the upper half is the same for all
  ;; $prevLow, $prevHigh   position of the record before the first one
  ;; $customFrom   lowest number of an extension's resource manager; 256 where there are none
  ;; Returns the address of the first record that was not passed, with its padding.
  (func (export "walkRecords")
    (param $at i32) (param $end i32) (param $low i32) (param $high i32)
    (param $prevLow i32) (param $prevHigh i32) (param $customFrom i32)
    (result i32)
    (local $length i32) (local $next i32) (local $padding i32) (local $manager i32) (local $crc i32)
    (local $count i32) (local $last i32)
    (block $stop (loop $record
      ;; A header, and then the whole record with its padding, must lie here.
      (br_if $stop (i32.lt_u (i32.sub (local.get $end) (local.get $at)) (i32.const 24)))
      (local.set $length (i32.load align=1 (local.get $at)))
      (br_if $stop (i32.lt_u (local.get $length) (i32.const 24)))
      (br_if $stop (i32.gt_u (local.get $length) (i32.sub (local.get $end) (local.get $at))))
      (local.set $padding (i32.and (i32.sub (i32.const 0) (local.get $length)) (i32.const 7)))
      (local.set $next (i32.add (local.get $at) (i32.add (local.get $length) (local.get $padding))))
      (br_if $stop (i32.gt_u (local.get $next) (local.get $end)))
      ;; It names the record before it.
      (br_if $stop (i32.ne (i32.load offset=8 align=1 (local.get $at)) (local.get $prevLow)))
      (br_if $stop (i32.ne (i32.load offset=12 align=1 (local.get $at)) (local.get $prevHigh)))
      ;; Its resource manager exists.
      (local.set $manager (i32.load8_u offset=17 (local.get $at)))
      (br_if $stop (i32.and
        (i32.ge_u (local.get $manager) (i32.const 22))
        (i32.lt_u (local.get $manager) (local.get $customFrom))))
      ;; Behind a segment switch there are no records.
      (br_if $stop (i32.and
        (i32.eqz (local.get $manager))
        (i32.eq (i32.and (i32.load8_u offset=16 (local.get $at)) (i32.const 0xf0)) (i32.const 0x40))))
      ;; Padding is zero: the last of the eight bytes before the next record.
      (if (local.get $padding) (then
        (br_if $stop (i64.ne (i64.const 0) (i64.shr_u
          (i64.load align=1 (i32.sub (local.get $next) (i32.const 8)))
          (i64.extend_i32_u (i32.sub (i32.const 64) (i32.shl (local.get $padding) (i32.const 3)))))))))
      ;; The checksum is of the body and then of the header up to the checksum.
      (local.set $crc (call $extendCrc
        (i32.const -1)
        (i32.add (local.get $at) (i32.const 24))
        (i32.add (local.get $at) (local.get $length))))
      (local.set $crc (call $extendCrc
        (local.get $crc)
        (local.get $at)
        (i32.add (local.get $at) (i32.const 20))))
      (br_if $stop (i32.ne
        (i32.xor (local.get $crc) (i32.const -1))
        (i32.load offset=20 align=1 (local.get $at))))
      (local.set $count (i32.add (local.get $count) (i32.const 1)))
      (local.set $last (local.get $at))
      (local.set $prevLow (i32.add (local.get $at) (local.get $low)))
      (local.set $prevHigh (local.get $high))
      (local.set $at (local.get $next))
      (br $record)))
    (i32.store (i32.const 16384) (local.get $count))
    (i32.store (i32.const 16388) (local.get $last))
    (local.get $at)))
