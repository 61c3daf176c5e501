"""Writes pillow_golden.h: what Pillow's Image.resize makes of images that the tests make themselves.

Needs Pillow 13 and NumPy:  pip install 'pillow==13.*' numpy
Run in this folder:         python pillow_golden.py > pillow_golden.h
"""

import zlib

import numpy
import PIL
from PIL import Image

FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}

# width, height -> width, height
SIZES = [
    ((50, 40), (15, 15)), ((48, 48), (150, 150)), ((1, 1), (5, 7)), ((1, 60), (3, 9)),
    ((60, 1), (9, 3)), ((33, 57), (33, 20)), ((33, 57), (70, 57)), ((33, 57), (33, 57)),
    ((33, 57), (33, 90)), ((33, 57), (12, 57)), ((500, 374), (150, 150)), ((480, 321), (150, 150)),
    ((322, 499), (150, 150)), ((149, 200), (150, 150)), ((200, 10), (7, 200)), ((97, 403), (150, 150)),
    ((3, 700), (150, 150)), ((37, 23), (38, 22)), ((640, 480), (224, 224)), ((64, 64), (1, 1)),
    ((7, 100), (14, 9)), ((100, 7), (9, 14)), ((300, 300), (150, 150)), ((5, 5), (64, 1)),
    ((40, 60), (30, 40)), ((40, 61), (30, 40)),  # shrunk height against twice the shrunk width
]


def noise(width, height):
    """The same bytes as noise_image() of resize_test.cpp."""
    y, x, c = numpy.ogrid[:height, :width, :3]
    value = x.astype(numpy.uint32) * numpy.uint32(0x9E3779B1)
    value = value + y.astype(numpy.uint32) * numpy.uint32(0x85EBCA77)
    value = value + c.astype(numpy.uint32) * numpy.uint32(0xC2B2AE3D)
    value ^= value >> numpy.uint32(15)
    value *= numpy.uint32(0x2C1B3C6D)
    value ^= value >> numpy.uint32(12)
    return (value >> numpy.uint32(24)).astype(numpy.uint8)


def main():
    print("#pragma once")
    print("// Made by pillow_golden.py with Pillow", PIL.__version__ + "; do not edit.")
    print()
    print("#include <cstdint>")
    print()
    print('#include "engine/config/config.h"')
    print()
    print("namespace graft::test {")
    print()
    print("struct GoldenResize {")
    print("  std::uint32_t in_width, in_height;")
    print("  Resize filter;")
    print("  std::uint32_t out_width, out_height;")
    print("  std::uint32_t crc32;  // of the output's bytes")
    print("  std::uint64_t sum;    // of the output's bytes")
    print("};")
    print()
    print("inline constexpr GoldenResize golden_resizes[] = {")
    for size, target in SIZES:
        image = Image.fromarray(noise(*size))
        for name, filter_ in FILTERS.items():
            pixels = numpy.asarray(image.resize(target, filter_))
            print(f"    {{{size[0]}, {size[1]}, Resize::{name}, {target[0]}, {target[1]}, "
                  f"0x{zlib.crc32(pixels.tobytes()):08X}, {int(pixels.sum(dtype=numpy.int64))}}},")
    print("};")
    print()
    print("}  // namespace graft::test")


if __name__ == "__main__":
    main()
