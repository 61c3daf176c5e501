#!/usr/bin/env python3
"""Prints golden_values.h: the first words, orders and initial kernels that the head must draw.

Independent of the C++ code: Philox4x32-10 is written after Salmon et al. 2011 and checked against the
known answers that they publish with it. Run: python3 golden_values.py | clang-format --assume-filename=golden_values.h > golden_values.h
"""
import math
import struct

M0, M1, W0, W1 = 0xD2511F53, 0xCD9E8D57, 0x9E3779B9, 0xBB67AE85
MASK = 0xFFFFFFFF
INITIALIZE, SHUFFLE = 1, 2


def philox(counter, key):
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        hi0, lo0 = divmod(M0 * c[0], 1 << 32)
        hi1, lo1 = divmod(M1 * c[2], 1 << 32)
        c = [hi1 ^ c[1] ^ k0, lo1, hi0 ^ c[3] ^ k1, lo0]
        k0, k1 = (k0 + W0) & MASK, (k1 + W1) & MASK
    return c


assert philox([0] * 4, (0, 0)) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]
assert philox([MASK] * 4, (MASK, MASK)) == [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]
assert philox([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], (0xA4093822, 0x299F31D0)) == [
    0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1]


def word(seed, purpose, layer, step, index):
    block, place = divmod(index, 4)
    counter = [block & MASK, block >> 32, step & MASK,
               purpose << 24 | layer << 16 | step >> 32 & 0xFFFF]
    return philox(counter, (seed & MASK, seed >> 32))[place]


def order(rows, seed, epoch):
    rows_in_order = list(range(rows))
    for drawn, last in enumerate(range(rows - 1, 0, -1)):
        pick = word(seed, SHUFFLE, 0, epoch, drawn) * (last + 1) >> 32
        rows_in_order[last], rows_in_order[pick] = rows_in_order[pick], rows_in_order[last]
    return rows_in_order


def float32(value):
    return struct.unpack('<f', struct.pack('<f', value))[0]


def glorot(inputs, outputs, seed, layer, indices):
    limit = float32(math.sqrt(6.0 / (inputs + outputs)))
    # The product of two floats is exact in double: packing rounds it once.
    return [float32(limit * (2.0 * ((word(seed, INITIALIZE, layer, 0, i) >> 8) * 2.0**-24) - 1.0))
            for i in indices]


def array(name, kind, values):
    lines, line = [], '   '
    for value in values:
        text = f' {value},'
        if len(line) + len(text) > 96:
            lines.append(line)
            line = '   '
        line += text
    lines.append(line)
    return f'inline constexpr {kind} {name}[] = {{\n' + '\n'.join(lines) + '\n};'


def bits(values):
    return [f'0x{struct.unpack("<I", struct.pack("<f", value))[0]:08X}U' for value in values]


print('#pragma once')
print('// Printed by golden_values.py; do not edit.')
print()
print('#include <cstddef>\n#include <cstdint>')
print()
print('namespace graft::golden {')
print()
print('// epoch_order(rows, seed, epoch)')
for rows, seed, epoch in ((10, 1, 0), (10, 1, 1), (10, 2, 0), (33, 0x123456789ABCDEF0, 70000)):
    print(array(f'order_{rows}_seed_{seed}_epoch_{epoch}', 'std::uint32_t', order(rows, seed, epoch)))
print()
print('// The bits of kernel elements: of layer 0 (8192 × 256) and layer 1 (256 × 1), at the indices.')
first = [0, 1, 2, 3, 4, 5, 255, 256, 1048577, 2097151]
print(array('kernel_0_indices', 'std::size_t', first))
print(array('kernel_0_seed_1', 'std::uint32_t', bits(glorot(8192, 256, 1, 0, first))))
print(array('kernel_1_seed_1', 'std::uint32_t', bits(glorot(256, 1, 1, 1, range(8)))))
print(array('kernel_0_seed_2', 'std::uint32_t', bits(glorot(8192, 256, 2, 0, first))))
print()
print('}  // namespace graft::golden')
