#!/usr/bin/env python3
"""Prints golden_values.h: the first words, orders and initial kernels that the head must draw, and the
result of a small run.

Independent of the C++ code: Philox4x32-10 is written after Salmon et al. 2011 and checked against the
known answers that they publish with it; the run is a replay in float64 of what Keras documents. Run: python3 golden_values.py | clang-format --assume-filename=golden_values.h > golden_values.h
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


# ---- A run: 12 rows of 4 features, 3 classes, a hidden layer of 3 units ----

LABELS = [0, 0, 0, 1, 2, 0, 1, 0, 0, 2, 0, 1]
FEATURES = [[((7 * r * r + 3 * c * r + 5 * c) % 11) / 8 + (2 if c == LABELS[r] else 0) for c in range(4)]
            for r in range(12)]
CLASSES, HIDDEN, BATCH, EPOCHS, RATE = 3, 3, 5, 4, 0.01


def standard(rows):
    """Mean of each column, and 1 / the deviation of all of them."""
    means = [sum(column) / len(rows) for column in zip(*rows)]
    squares = [(x - mean) ** 2 for row in rows for x, mean in zip(row, means)]
    return means, [1 / math.sqrt(sum(squares) / len(squares))] * len(means)


class Dense:
    def __init__(self, inputs, outputs, layer):
        flat = glorot(inputs, outputs, 1, layer, range(inputs * outputs))
        self.values = [flat[i * outputs:(i + 1) * outputs] for i in range(inputs)] + [[0.0] * outputs]
        self.squares = [[0.0] * outputs for _ in self.values]  # of the kernel's rows, then the bias

    def __call__(self, row):
        return [sum(x * weights[u] for x, weights in zip(row + [1.0], self.values))
                for u in range(len(self.values[0]))]

    def update(self, inputs, deltas, rate):
        """keras.optimizers.RMSprop: rho .9, epsilon 1e-7 inside the root."""
        for i, weights in enumerate(self.values):
            for u in range(len(weights)):
                g = sum((row + [1.0])[i] * delta[u] for row, delta in zip(inputs, deltas))
                self.squares[i][u] = 0.9 * self.squares[i][u] + 0.1 * g * g
                weights[u] -= rate * g / math.sqrt(self.squares[i][u] + 1e-7)


def softmax(logits):
    powers = [math.exp(z - max(logits)) for z in logits]
    return [power / sum(powers) for power in powers]


def run():
    """Loss of each epoch, then kernel and bias of both layers of the head that takes raw features."""
    means, scales = standard(FEATURES)
    rows = [[(x - m) * s for x, m, s in zip(row, means, scales)] for row in FEATURES]
    weight = [len(LABELS) / (CLASSES * LABELS.count(c)) for c in range(CLASSES)]  # "balanced"
    first, last = Dense(4, HIDDEN, 0), Dense(HIDDEN, CLASSES, 1)
    steps, step, losses = EPOCHS * -(-len(rows) // BATCH), 0, []
    for epoch in range(EPOCHS):
        shuffled, total = order(len(rows), 1, epoch), 0.0
        for begin in range(0, len(rows), BATCH):
            batch = shuffled[begin:begin + BATCH]
            hidden = [[max(z, 0.0) for z in first(rows[r])] for r in batch]
            deltas = []
            for r, values in zip(batch, hidden):
                p = softmax(last(values))
                total -= weight[LABELS[r]] * math.log(p[LABELS[r]])
                deltas.append([weight[LABELS[r]] * (p[c] - (c == LABELS[r])) / len(batch)
                               for c in range(CLASSES)])
            below = [[sum(d * w for d, w in zip(delta, last.values[u])) * (values[u] > 0)
                      for u in range(HIDDEN)] for delta, values in zip(deltas, hidden)]
            rate = RATE * (1 - step / steps)  # PolynomialDecay, power 1, end_learning_rate 0
            last.update(hidden, deltas, rate)
            first.update([rows[r] for r in batch], below, rate)
            step += 1
        losses.append(total / len(rows))
    for u in range(HIDDEN):  # folded
        for i in range(4):
            first.values[i][u] *= scales[i]
            first.values[4][u] -= means[i] * first.values[i][u]
    return losses, [value for dense in (first, last) for weights in dense.values for value in weights]


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
print('// A run (see golden_values.py): its rows, the loss of each epoch, and kernel and bias of both layers.')
losses, parameters = run()
print(array('run_labels', 'std::uint32_t', LABELS))
print(array('run_features', 'float', [f'{x}F' for row in FEATURES for x in row]))
print(array('run_losses', 'double', losses))
print(array('run_parameters', 'float', [f'{float32(value):.9}F' for value in parameters]))
print()
print('}  // namespace graft::golden')
