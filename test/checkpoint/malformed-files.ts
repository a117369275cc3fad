/**
 * Damaged and hostile safetensors files, with the line each must be refused with, and what the Rust library (0.8, as the
 * Python package has it) makes of them.
 *
 * Ours refuses all it refuses. Where `library` is 'accepts' we are stricter on purpose, and `why` says for what reason.
 */
export interface MalformedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** The error without the file's name at its start. */
  readonly error: string;
  readonly library: 'refuses' | 'accepts';
  /** Why we refuse what the library accepts. */
  readonly why?: string;
}

/** A file of a header, as text or bytes, and so many bytes of zeros for data. */
export function safetensorsBytes(header: string | Uint8Array, dataLength = 0): Uint8Array {
  const json = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  return withLength(BigInt(json.length), json, dataLength);
}

function withLength(length: bigint, json: Uint8Array | string, dataLength = 0): Uint8Array {
  const text = typeof json === 'string' ? new TextEncoder().encode(json) : json;
  const bytes = new Uint8Array(8 + text.length + dataLength);
  new DataView(bytes.buffer).setBigUint64(0, length, true);
  bytes.set(text, 8);
  return bytes;
}

/** One good tensor, of 4 bytes. */
const GOOD = '"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}';

/** A file with one tensor of given fields. */
function tensor(fields: string, dataLength = 4): Uint8Array {
  return safetensorsBytes(`{"a":{${fields}}}`, dataLength);
}

const ASCII = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

const KEEPS_LAST =
  'the library keeps the last of two equal keys; a scanner that keeps the first sees another model';
const SPECIFICATION = 'the specification says MUST';

export const malformedFiles: readonly MalformedFile[] = [
  // The length field.
  {
    name: 'an empty file',
    bytes: new Uint8Array(),
    library: 'refuses',
    error: 'expected at least 8 bytes, got a file of 0',
  },
  {
    name: 'a file of seven bytes',
    bytes: new Uint8Array(7),
    library: 'refuses',
    error: 'expected at least 8 bytes, got a file of 7',
  },
  {
    name: 'a header length of zero',
    bytes: withLength(0n, ''),
    library: 'refuses',
    error: `header: expected '{' as its first byte, got an empty header`,
  },
  {
    name: 'a header length past the end',
    bytes: withLength(3n, '{}'),
    library: 'refuses',
    error: `expected a header within the file's 10 bytes, got a header length of 3`,
  },
  {
    name: 'a header length of 100 MB and one',
    bytes: withLength(100_000_001n, '{}'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got a header length of 100000001',
  },
  {
    name: 'a header length of 2^64 - 1',
    bytes: withLength(2n ** 64n - 1n, '{}'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got a header length of 18446744073709551615',
  },
  {
    name: 'a header length of 2^63',
    bytes: withLength(2n ** 63n, '{}'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got a header length of 9223372036854775808',
  },
  {
    name: 'a Git LFS pointer',
    bytes: ASCII('version https://git-lfs.github.com/spec/v1\n'),
    library: 'refuses',
    error:
      'expected a header of at most 100000000 bytes, got a Git LFS pointer (git lfs pull fetches the file itself)',
  },
  {
    name: 'a PyTorch zip',
    bytes: ASCII('PK\x03\x04\x00\x00\x08\x08\x00\x00'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got a zip archive, as torch.save writes',
  },
  {
    name: 'an old PyTorch pickle',
    bytes: ASCII('\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got a pickle, as torch.save once wrote',
  },
  {
    name: 'a Keras file',
    bytes: ASCII('\x89HDF\r\n\x1a\n\x00\x00'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got an HDF5 file, as Keras writes',
  },
  {
    name: 'a web page',
    bytes: ASCII('<!DOCTYPE html><html>'),
    library: 'refuses',
    error: 'expected a header of at most 100000000 bytes, got an HTML page',
  },

  // The header as text.
  {
    name: 'a space before the brace',
    bytes: safetensorsBytes(' {}'),
    library: 'accepts',
    why: SPECIFICATION,
    error: `header: expected '{' as its first byte, got 0x20`,
  },
  {
    name: 'a byte order mark',
    bytes: safetensorsBytes('\ufeff{}'),
    library: 'refuses',
    error: `header: expected '{' as its first byte, got 0xef`,
  },
  {
    name: 'an array',
    bytes: safetensorsBytes('[]'),
    library: 'refuses',
    error: `header: expected '{' as its first byte, got 0x5b`,
  },
  {
    name: 'a null',
    bytes: safetensorsBytes('null'),
    library: 'refuses',
    error: `header: expected '{' as its first byte, got 0x6e`,
  },
  {
    name: 'an unclosed object',
    bytes: safetensorsBytes('{'),
    library: 'refuses',
    error: 'header, character 1: expected a key, got the end of the text',
  },
  {
    name: 'a second object',
    bytes: safetensorsBytes('{}{}'),
    library: 'refuses',
    error: 'header, character 2: expected nothing after the JSON value, got "{"',
  },
  {
    name: 'a zero byte as padding',
    bytes: safetensorsBytes('{}\0'),
    library: 'refuses',
    error: 'header, character 2: expected nothing after the JSON value, got "\\u0000"',
  },
  {
    name: 'invalid UTF-8',
    bytes: safetensorsBytes(ASCII('{"\xff":1}')),
    library: 'refuses',
    error: 'header: expected valid UTF-8, got other bytes',
  },
  {
    name: 'an overlong UTF-8 slash',
    bytes: safetensorsBytes(ASCII('{"\xc0\xaf":1}')),
    library: 'refuses',
    error: 'header: expected valid UTF-8, got other bytes',
  },
  {
    name: 'a surrogate in UTF-8',
    bytes: safetensorsBytes(ASCII('{"\xed\xa0\x80":1}')),
    library: 'refuses',
    error: 'header: expected valid UTF-8, got other bytes',
  },
  {
    name: 'cut UTF-8 at the end',
    bytes: safetensorsBytes(ASCII('{"\xe2\x82')),
    library: 'refuses',
    error: 'header: expected valid UTF-8, got other bytes',
  },
  {
    name: 'a trailing comma',
    bytes: safetensorsBytes(`{${GOOD},}`, 4),
    library: 'refuses',
    error: 'header, character 54: expected a key, got "}"',
  },
  {
    name: 'a missing comma',
    bytes: safetensorsBytes(`{${GOOD}${GOOD}}`, 4),
    library: 'refuses',
    error: `header, character 53: expected ',' or '}', got "a"`,
  },
  {
    name: 'single quotes',
    bytes: safetensorsBytes(`{'a':1}`),
    library: 'refuses',
    error: `header, character 1: expected a key, got "'"`,
  },
  {
    name: 'a comment',
    bytes: safetensorsBytes(`{/**/}`),
    library: 'refuses',
    error: 'header, character 1: expected a key, got "/"',
  },
  {
    name: 'a raw line feed in a name',
    bytes: safetensorsBytes('{"a\n":1}'),
    library: 'refuses',
    error: `header, character 3: expected a string without control characters, closed by '"', got "\\n"`,
  },
  {
    name: 'an unknown escape in a name',
    bytes: safetensorsBytes('{"\\x41":1}'),
    library: 'refuses',
    error: 'header, character 1: expected a string with valid escapes, got "\\\\x41"',
  },
  {
    name: 'an unclosed name',
    bytes: safetensorsBytes('{"a'),
    library: 'refuses',
    error: `header, character 3: expected a string without control characters, closed by '"', got the end of the text`,
  },
  {
    name: 'a name that ends in a backslash',
    bytes: safetensorsBytes('{"a\\'),
    library: 'refuses',
    error: `header, character 5: expected a string without control characters, closed by '"', got the end of the text`,
  },
  {
    name: 'a lone surrogate in a name',
    bytes: safetensorsBytes('{"\\ud800":1}'),
    library: 'refuses',
    error: 'header, character 9: expected well-formed Unicode, got "\\ud800" with a lone surrogate',
  },
  {
    name: 'a missing colon',
    bytes: safetensorsBytes('{"a" 1}'),
    library: 'refuses',
    error: `header, character 5: expected ':' after a key, got 1`,
  },

  // Equal keys.
  {
    name: 'a tensor twice',
    bytes: safetensorsBytes(`{${GOOD},${GOOD}}`, 4),
    library: 'accepts',
    why: KEEPS_LAST,
    error: 'header, character 57: expected each key once, got "a" a second time',
  },
  {
    name: 'a tensor twice, once escaped',
    bytes: safetensorsBytes(`{${GOOD},${GOOD.replace('"a"', '"\\u0061"')}}`, 4),
    library: 'accepts',
    why: KEEPS_LAST,
    error: 'header, character 62: expected each key once, got "a" a second time',
  },
  {
    name: 'a dtype twice',
    bytes: tensor('"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 27, in "a": expected each key once, got "dtype" a second time',
  },
  {
    name: 'a shape twice',
    bytes: tensor('"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 39, in "a": expected each key once, got "shape" a second time',
  },
  {
    name: 'an unknown field twice',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1,"x":1'),
    library: 'accepts',
    why: KEEPS_LAST,
    error: 'header, character 62, in "a": expected each key once, got "x" a second time',
  },
  {
    name: 'the metadata twice',
    bytes: safetensorsBytes('{"__metadata__":{},"__metadata__":{}}'),
    library: 'refuses',
    error: 'header, character 33: expected each key once, got "__metadata__" a second time',
  },
  {
    name: 'a metadata key twice',
    bytes: safetensorsBytes('{"__metadata__":{"k":"1","k":"2"}}'),
    library: 'accepts',
    why: KEEPS_LAST,
    error: 'header, character 28, in "__metadata__": expected each key once, got "k" a second time',
  },

  // Metadata.
  {
    name: 'metadata of numbers',
    bytes: safetensorsBytes('{"__metadata__":{"k":1}}'),
    library: 'refuses',
    error: 'header, character 21, in "__metadata__" / "k": expected a string, got 1',
  },
  {
    name: 'nested metadata',
    bytes: safetensorsBytes('{"__metadata__":{"k":{"l":"m"}}}'),
    library: 'refuses',
    error: 'header, character 21, in "__metadata__" / "k": expected a string, got "{"',
  },
  {
    name: 'a metadata list',
    bytes: safetensorsBytes('{"__metadata__":["k"]}'),
    library: 'refuses',
    error: 'header, character 16, in "__metadata__": expected an object, got "["',
  },
  {
    name: 'null metadata',
    bytes: safetensorsBytes('{"__metadata__":null}'),
    library: 'accepts',
    why: 'the specification wants a map of strings',
    error: 'header, character 16, in "__metadata__": expected an object, got null',
  },

  // The description of a tensor.
  {
    name: 'a tensor as an array',
    bytes: safetensorsBytes('{"a":["F32",[1],[0,4]]}', 4),
    library: 'accepts',
    why: 'an accident of serde, not of the format',
    error: 'header, character 5, in "a": expected an object, got "["',
  },
  {
    name: 'a tensor as a number',
    bytes: safetensorsBytes('{"a":1}', 4),
    library: 'refuses',
    error: 'header, character 5, in "a": expected an object, got 1',
  },
  {
    name: 'no dtype',
    bytes: tensor('"shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'tensor "a": expected a dtype, got none',
  },
  {
    name: 'no shape',
    bytes: tensor('"dtype":"F32","data_offsets":[0,4]'),
    library: 'refuses',
    error: 'tensor "a": expected a shape, got none',
  },
  {
    name: 'no offsets',
    bytes: tensor('"dtype":"F32","shape":[1]'),
    library: 'refuses',
    error: 'tensor "a": expected data_offsets, got none',
  },
  {
    name: 'an unknown dtype',
    bytes: tensor('"dtype":"F128","shape":[1],"data_offsets":[0,16]', 16),
    library: 'refuses',
    error: 'tensor "a": expected a known dtype, got "F128"',
  },
  {
    name: 'a lower-case dtype',
    bytes: tensor('"dtype":"f32","shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'tensor "a": expected a known dtype, got "f32"',
  },
  {
    name: 'an inherited dtype',
    bytes: tensor('"dtype":"constructor","shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'tensor "a": expected a known dtype, got "constructor"',
  },
  {
    name: 'a dtype as a number',
    bytes: tensor('"dtype":32,"shape":[1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 14, in "a" / "dtype": expected a string, got 32',
  },
  {
    name: 'a shape as a number',
    bytes: tensor('"dtype":"F32","shape":1,"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 28, in "a" / "shape": expected an array, got 1',
  },
  {
    name: 'a nested shape',
    bytes: tensor('"dtype":"F32","shape":[[1]],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got "["',
  },
  {
    name: 'a negative size',
    bytes: tensor('"dtype":"F32","shape":[-1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got -1',
  },
  {
    name: 'two negative sizes',
    bytes: tensor('"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got -1',
  },
  {
    name: 'a size of minus zero',
    bytes: tensor('"dtype":"F32","shape":[-0],"data_offsets":[0,0]', 0),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got -0',
  },
  {
    name: 'a size of 1.0',
    bytes: tensor('"dtype":"F32","shape":[1.0],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got 1.0',
  },
  {
    name: 'a size of 1e0',
    bytes: tensor('"dtype":"F32","shape":[1e0],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got 1e0',
  },
  {
    name: 'a size of 01',
    bytes: tensor('"dtype":"F32","shape":[01],"data_offsets":[0,4]'),
    library: 'refuses',
    error: `header, character 30, in "a" / "shape": expected ',' or ']', got 1`,
  },
  {
    name: 'a size of NaN',
    bytes: tensor('"dtype":"F32","shape":[NaN],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got NaN',
  },
  {
    name: 'a size as a string',
    bytes: tensor('"dtype":"F32","shape":["1"],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got "1"',
  },
  {
    name: 'a size of 2^53 beside a zero',
    bytes: tensor('"dtype":"F32","shape":[0,9007199254740992],"data_offsets":[0,0]', 0),
    library: 'accepts',
    why: 'past 2^53 a number no longer holds every integer',
    error:
      'header, character 31, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got 9007199254740992',
  },
  {
    name: 'a size of 2^64',
    bytes: tensor('"dtype":"F32","shape":[0,18446744073709551616],"data_offsets":[0,0]', 0),
    library: 'refuses',
    error:
      'header, character 31, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got 18446744073709551616',
  },
  {
    name: 'sizes that multiply to 2^64',
    bytes: tensor('"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]', 0),
    library: 'refuses',
    error:
      'tensor "a": expected a size in whole bytes below 2^53 bits, got U8 of shape [4294967296,4294967296]',
  },
  {
    name: 'a byte size past 2^64',
    bytes: tensor('"dtype":"F32","shape":[4611686018427387904,1],"data_offsets":[0,0]', 0),
    library: 'refuses',
    error:
      'header, character 29, in "a" / "shape": expected an integer from 0 to 2^53 - 1, got 4611686018427387904',
  },
  {
    name: 'sizes that overflow before a zero',
    bytes: tensor('"dtype":"F32","shape":[4294967296,4294967296,0],"data_offsets":[0,0]', 0),
    library: 'refuses',
    error:
      'tensor "a": expected a size in whole bytes below 2^53 bits, got F32 of shape [4294967296,4294967296,0]',
  },
  {
    name: 'half a byte',
    bytes: tensor('"dtype":"F4","shape":[3],"data_offsets":[0,1]', 1),
    library: 'refuses',
    error: 'tensor "a": expected a size in whole bytes below 2^53 bits, got F4 of shape [3]',
  },

  // Offsets.
  {
    name: 'one offset',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[0]'),
    library: 'refuses',
    error: 'tensor "a": expected two data_offsets, got [0]',
  },
  {
    name: 'three offsets',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[0,4,4]'),
    library: 'refuses',
    error: 'tensor "a": expected two data_offsets, got [0,4,4]',
  },
  {
    name: 'a negative offset',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[-4,0]'),
    library: 'refuses',
    error: 'header, character 48, in "a" / "data_offsets": expected an integer from 0 to 2^53 - 1, got -4',
  },
  {
    name: 'an offset past 2^53',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[0,9007199254740993]'),
    library: 'refuses',
    error:
      'header, character 50, in "a" / "data_offsets": expected an integer from 0 to 2^53 - 1, got 9007199254740993',
  },
  {
    name: 'offsets that decrease',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[4,0]'),
    library: 'refuses',
    error: 'tensor "a": expected data_offsets that do not decrease, got [4,0]',
  },
  {
    name: 'offsets too short for the shape',
    bytes: tensor('"dtype":"F32","shape":[2],"data_offsets":[0,4]'),
    library: 'refuses',
    error: 'tensor "a": expected 8 bytes for F32 of shape [2], got data_offsets [0,4]',
  },
  {
    name: 'offsets too long for the shape',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[0,8]', 8),
    library: 'refuses',
    error: 'tensor "a": expected 4 bytes for F32 of shape [1], got data_offsets [0,8]',
  },
  {
    name: 'a hole at the start',
    bytes: tensor('"dtype":"F32","shape":[1],"data_offsets":[4,8]', 8),
    library: 'refuses',
    error: 'tensor "a": expected data from byte 0, got byte 4: a hole before it',
  },
  {
    name: 'a hole in the middle',
    bytes: safetensorsBytes(`{${GOOD},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}`, 12),
    library: 'refuses',
    error: 'tensor "b": expected data from byte 4, got byte 8: a hole before it',
  },
  {
    name: 'an overlap',
    bytes: safetensorsBytes(`{${GOOD},"b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}`, 6),
    library: 'refuses',
    error: 'tensor "b": expected data from byte 4, got byte 2: an overlap',
  },
  {
    name: 'two tensors on the same bytes',
    bytes: safetensorsBytes(`{${GOOD},"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4),
    library: 'refuses',
    error: 'tensor "b": expected data from byte 4, got byte 0: an overlap',
  },
  {
    name: 'an empty tensor inside another',
    bytes: safetensorsBytes(`{${GOOD},"b":{"dtype":"F32","shape":[0],"data_offsets":[2,2]}}`, 4),
    library: 'refuses',
    error: 'tensor "b": expected data from byte 4, got byte 2: an overlap',
  },
  {
    name: 'data cut short',
    bytes: safetensorsBytes(`{${GOOD}}`, 3),
    library: 'refuses',
    error: 'expected 4 bytes of data, as the header says, got 3',
  },
  {
    name: 'a trailing byte',
    bytes: safetensorsBytes(`{${GOOD}}`, 5),
    library: 'refuses',
    error: 'expected 4 bytes of data, as the header says, got 5',
  },
  {
    name: 'data that nothing describes',
    bytes: safetensorsBytes('{}', 1),
    library: 'refuses',
    error: 'expected 0 bytes of data, as the header says, got 1',
  },

  // Depth.
  {
    name: 'an unknown field of 200 nested arrays',
    bytes: tensor(`"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":${'['.repeat(200)}${']'.repeat(200)}`),
    library: 'refuses',
    error: 'header, character 184, in "a" / "x": expected at most 128 nested values, got more',
  },
];
