/**
 * The instructions of a pickle that Bertram knows: those that `torch.save` writes, up to protocol 5. What is not in the
 * table is refused, above all what makes objects of classes (NEWOBJ, INST, OBJ) or reaches into a registry (EXT1).
 *
 * Reference: CPython's `Lib/pickletools.py`.
 */
import type { PickleMachine } from './pickle-machine.ts';

type Instruction = (machine: PickleMachine) => void;

/** Instructions by their byte, under the names of pickletools. */
export const INSTRUCTIONS: ReadonlyMap<number, Instruction> = new Map<number, Instruction>([
  [0x80, (m) => m.checkProtocol()], // PROTO
  [0x95, (m) => void m.count(8)], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => void m.pop()], // POP
  [0x31, (m) => void m.popToMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP
  // Constants and numbers.
  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.count(4) | 0)], // BININT
  [0x4b, (m) => m.push(m.count(1))], // BININT1
  [0x4d, (m) => m.push(m.count(2))], // BININT2
  [0x8a, (m) => m.push(m.long(m.count(1)))], // LONG1
  [0x47, (m) => m.push(m.float())], // BINFLOAT
  // Texts and bytes.
  [0x58, (m) => m.push(m.text(m.count(4)))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.count(1)))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.count(8)))], // BINUNICODE8
  [0x54, (m) => m.push(m.text(m.count(4)))], // BINSTRING, of Python 2
  [0x55, (m) => m.push(m.text(m.count(1)))], // SHORT_BINSTRING, of Python 2
  [0x42, (m) => m.push(m.take(m.count(4)))], // BINBYTES
  [0x43, (m) => m.push(m.take(m.count(1)))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.take(m.count(8)))], // BINBYTES8
  // Lists, and tuples, which become lists.
  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x6c, (m) => m.push(m.popToMark())], // LIST
  [0x74, (m) => m.push(m.popToMark())], // TUPLE
  [0x85, (m) => m.push(m.popMany(1))], // TUPLE1
  [0x86, (m) => m.push(m.popMany(2))], // TUPLE2
  [0x87, (m) => m.push(m.popMany(3))], // TUPLE3
  [0x61, (m) => m.append(m.popMany(1))], // APPEND
  [0x65, (m) => m.append(m.popToMark())], // APPENDS
  // Dictionaries.
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x73, (m) => m.setItems(m.popMany(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popToMark())], // SETITEMS
  // Values used again.
  [0x71, (m) => m.remember(m.count(1))], // BINPUT
  [0x72, (m) => m.remember(m.count(4))], // LONG_BINPUT
  [0x94, (m) => m.remember(m.memoSize)], // MEMOIZE
  [0x68, (m) => m.recall(m.count(1))], // BINGET
  [0x6a, (m) => m.recall(m.count(4))], // LONG_BINGET
  // Names and calls.
  [0x63, (m) => m.push(m.lookUp(m.line(), m.line()))], // GLOBAL
  [0x93, (m) => m.push(m.lookUpFromStack())], // STACK_GLOBAL
  [0x52, (m) => m.reduce()], // REDUCE
  [0x62, (m) => void m.pop()], // BUILD: attributes, such as the versions that torch hangs on a state dict
  [0x51, (m) => m.push(m.persistent())], // BINPERSID
]);
