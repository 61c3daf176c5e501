"""Hundreds of random images of each format: the program's pixels against Pillow's.

image_formats_test.py DECODE_FILES GOLDEN_HEADER: the program of tests/image/decode_files.cpp, and the small set for tests
without Pillow. image_formats_test.py > ../image/format_golden.h writes that set anew. The files are Pillow's where Pillow
can write the kind, else made here. All follow from one seed.
"""

import io
import random
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy
import PIL
from PIL import Image, ImageOps

COUNT = 250  # of each kind
RANDOM = random.Random()
largest_side = 70


def side():
    return RANDOM.randint(1, RANDOM.choice((2, largest_side, largest_side)))


def pixels(mode="RGB", size=None):
    """Noise or a smooth image."""
    width, height = size or (side(), side())
    channels = {"L": 1, "P": 1, "RGB": 3, "RGBA": 4}[mode]
    noise = numpy.frombuffer(RANDOM.randbytes(width * height * channels), numpy.uint8)
    values = noise.reshape(height, width, channels)
    if RANDOM.random() < 0.6:
        y, x, c = numpy.ogrid[:height, :width, :channels]
        values = (x * RANDOM.randint(0, 5) + y * RANDOM.randint(0, 5) + 40 * c + values // 64).astype(numpy.uint8)
    image = Image.fromarray(values if channels > 1 else values[:, :, 0], None if mode != "P" else "L")
    if mode == "P":
        image = image.quantize(RANDOM.randint(2, 256)) if RANDOM.random() < 0.5 else with_palette(image)
    return image


def with_palette(image):
    image = image.copy()
    image.putpalette(RANDOM.randbytes(3 * 256))
    return image


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# ---- WebP ----

XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="%d"/></x:xmpmeta>'


def webp_options():
    options = {"quality": RANDOM.randint(0, 100), "method": RANDOM.randint(0, 6), "lossless": RANDOM.random() < 0.5,
               "exact": RANDOM.random() < 0.5, "alpha_quality": RANDOM.choice((0, 50, 100))}
    if RANDOM.random() < 0.3:
        exif = Image.Exif()
        exif[274] = RANDOM.randint(1, 8)
        options["exif"] = exif.tobytes()
    if RANDOM.random() < 0.2:
        options["xmp"] = XMP % RANDOM.randint(1, 8)
    return options


def still_webp():
    return saved(pixels(RANDOM.choice(("RGB", "RGB", "RGBA", "L", "P"))), "WEBP", **webp_options())


def animated_webp():
    size = side(), side()
    frames = [pixels(RANDOM.choice(("RGB", "RGBA")), size) for _ in range(RANDOM.randint(2, 4))]
    return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], allow_mixed=RANDOM.random() < 0.5,
                 **webp_options())


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)


def frame_chunks(webp):
    """The chunks of a still file that are the picture's."""
    at, found = 12, b""
    while at < len(webp):
        size = struct.unpack_from("<I", webp, at + 4)[0]
        if webp[at : at + 4] in (b"ALPH", b"VP8 ", b"VP8L"):
            found += webp[at : at + 8 + size + size % 2]
        at += 8 + size + size % 2
    return found


def u24(value):
    return struct.pack("<I", value)[:3]


def small_frames_webp():
    """An animation whose first frame does not fill the canvas: Pillow writes none."""
    canvas, frames = (side() + 8, side() + 8), b""
    for _ in range(RANDOM.randint(1, 3)):
        size = RANDOM.randint(1, canvas[0]), RANDOM.randint(1, canvas[1])
        left, top = (RANDOM.randint(0, canvas[i] - size[i]) // 2 for i in (0, 1))
        still = saved(pixels(RANDOM.choice(("RGB", "RGBA")), size), "WEBP", lossless=RANDOM.random() < 0.5)
        head = b"".join(map(u24, (left, top, size[0] - 1, size[1] - 1, 100))) + bytes([RANDOM.randint(0, 3)])
        frames += chunk(b"ANMF", head + frame_chunks(still))
    flags = bytes([0x12, 0, 0, 0]) + u24(canvas[0] - 1) + u24(canvas[1] - 1)
    body = chunk(b"VP8X", flags) + chunk(b"ANIM", RANDOM.randbytes(4) + b"\0\0") + frames
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


# ---- GIF ----


def lzw(indices, size):
    """A minimum code size of `size` bits. Clear codes come early, in time, or after the table was full for a while."""
    clear, out, held, bits = 1 << size, bytearray(), 0, 0
    table, width, patience = {}, size + 1, RANDOM.choice((5, 4096, 9000))

    def put(code):
        nonlocal held, bits
        held |= code << bits
        bits += width
        while bits >= 8:
            out.append(held & 255)
            held >>= 8
            bits -= 8

    put(clear)
    last, codes = None, 0
    for index in indices:
        if last is not None and (last, index) in table:
            last = table[last, index]
            continue
        if last is not None:
            put(last)
            codes += 1
            if len(table) + clear + 2 < 4096:
                table[last, index] = len(table) + clear + 2
                if len(table) + clear + 1 == 1 << width and width < 12:
                    width += 1
            if codes >= patience:
                put(clear)
                table, width, codes = {}, size + 1, 0
        last = index
    put(last)
    if len(table) + clear + 2 == 1 << width and width < 12:
        width += 1
    put(clear + 1)
    if bits:
        out.append(held & 255)
    step = RANDOM.choice((1, 7, 255))
    blocks = (bytes(out[i : i + step]) for i in range(0, len(out), step))
    return bytes([size]) + b"".join(bytes([len(block)]) + block for block in blocks) + b"\0"


def palette_of(bits):
    if RANDOM.random() < 0.2:
        return bytes(i for i in range(1 << bits) for _ in range(3))
    return RANDOM.randbytes(3 << bits)


def odd_gif():
    screen = RANDOM.choice(((0, 0), (side(), side())))
    width, height = side(), side()
    left, top = RANDOM.choice(((0, 0), (RANDOM.randint(0, 9), RANDOM.randint(0, 9))))
    flags, palette = 0, b""
    if RANDOM.random() < 0.7:
        bits = RANDOM.randint(1, 8)
        flags, palette = 0x80 | bits - 1, palette_of(bits)
    file = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, RANDOM.randint(0, 255), 0) + palette
    for _ in range(RANDOM.randint(0, 2)):
        disposal, transparent = RANDOM.randint(0, 3), RANDOM.randint(0, 1)
        file += RANDOM.choice((
            b"", b"\0\0", b"!\xfe\x03abc\x02de\0", b"!\xff\x0bNETSCAPE2.0\x03\1\0\0\0",
            b"!\xf9\x04" + bytes([disposal << 2 | transparent, 0, 0, RANDOM.randint(0, 255), 0])))
    flags, palette = RANDOM.randint(0, 1) << 6, b""
    if RANDOM.random() < 0.5:
        bits = RANDOM.randint(1, 8)
        flags, palette = flags | 0x80 | bits - 1, palette_of(bits)
    size = RANDOM.randint(2, 8)  # as the standard has it; with 1 Pillow does not widen its codes
    most = RANDOM.randint(1, 1 << size)  # few: long runs of equal indices
    indices = [RANDOM.randrange(most) for _ in range(width * height)]
    file += b"," + struct.pack("<HHHHB", left, top, width, height, flags) + palette + lzw(indices, size)
    return file + RANDOM.choice((b";", b"", b"\0;", b",junk"))


def pillow_gif():
    size = side(), side()
    frames = [pixels(RANDOM.choice(("P", "L", "RGB", "RGBA")), size) for _ in range(RANDOM.randint(1, 3))]
    options = {"interlace": RANDOM.randint(0, 1), "disposal": RANDOM.randint(0, 3)}
    if RANDOM.random() < 0.4:
        options["transparency"] = RANDOM.randint(0, 255)
    return saved(frames[0], "GIF", save_all=True, append_images=frames[1:], **options)


# ---- BMP, PNM, PNG ----


def rle_bmp():
    width, height, depth = side(), side(), RANDOM.choice((4, 8))
    colours = RANDOM.choice((0, 1 << depth, RANDOM.randint(3, 1 << depth)))
    data = bytearray()
    for _ in range(RANDOM.randint(1, 30)):
        count, value = RANDOM.randint(1, 80), RANDOM.randint(0, 255)
        kind = RANDOM.random()
        if kind < 0.5:
            data += bytes([count, value])
        elif kind < 0.7:
            data += b"\0\0"
        elif kind < 0.8:
            data += bytes([0, 2, RANDOM.randint(0, 9), RANDOM.randint(0, 3)])
        else:
            count += 2
            packed = RANDOM.randbytes(count if depth == 8 else (count + 1) // 2)
            data += bytes([0, count]) + packed + bytes(len(packed) % 2)
    for _ in range(RANDOM.choice((0, height))):  # else it may be too short
        data += bytes([width, 3, 0, 0])
    data += b"\0\1"
    palette = RANDOM.randbytes(4 * (colours or 1 << depth))
    offset = 54 + len(palette)
    head = struct.pack("<2sIIIIiiHHIIiiII", b"BM", offset + len(data), 0, offset, 40, width,
                       RANDOM.choice((height, -height)), 1, depth, 2 if depth == 4 else 1, len(data), 0, 0, colours, 0)
    return head + palette + bytes(data)


def ascii_pnm():
    kind, width, height = RANDOM.choice("123"), side(), side()
    maximum = 1 if kind == "1" else RANDOM.choice((1, 9, 100, 255, 256, 1023, 65535))
    values = [RANDOM.randint(0, maximum) for _ in range(width * height * (3 if kind == "3" else 1))]
    if RANDOM.random() < 0.1:
        values.pop()
    if RANDOM.random() < 0.1:
        values += [0, 1]
    if RANDOM.random() < 0.05:
        values[0] = maximum + 1
    text = f"P{kind}\n# a comment\n{width} {height}\n" + ("" if kind == "1" else f"{maximum}\n")
    between = (" ", "\n", "\t", "  ", " # words 1 2\n", "#x\r ") + (("", "") if kind == "1" else ())
    return (text + "".join(f"{value}{RANDOM.choice(between)}" for value in values)).encode()


def png_without_end():
    mode = RANDOM.choice(("L", "P", "RGB", "RGBA"))
    file = saved(pixels(mode), "PNG")
    end = file.rindex(b"IEND") - 4
    extra = chunk_of_png(b"tEXt", b"a\0b") if RANDOM.random() < 0.5 else b""
    # Within another chunk Pillow does not accept the end.
    return file[:end] + extra + file[end : RANDOM.randint(end, len(file))]


def chunk_of_png(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def cut_gif():
    file = RANDOM.choice((odd_gif, pillow_gif))()
    return file[: RANDOM.randint(len(file) * 3 // 4, len(file))]


KINDS = (still_webp, animated_webp, small_frames_webp, odd_gif, pillow_gif, cut_gif, rle_bmp, ascii_pnm,
         png_without_end)


def answer_of_pillow(file):
    """The line of decode_files."""
    try:
        with Image.open(io.BytesIO(file)) as image:
            rgb = ImageOps.exif_transpose(image).convert("RGB")
    except Exception as error:  # Pillow refuses by many types
        return f"refused: {error!r}"
    return f"{rgb.width} {rgb.height} {zlib.crc32(rgb.tobytes()):08x}"


def files_of_kinds(count, largest):
    global largest_side
    RANDOM.seed(16)
    largest_side = largest
    return {f"{kind.__name__}_{number}": kind() for kind in KINDS for number in range(count)}


def golden_header():
    lines = [
        "#pragma once",
        f"// Made by tests/system/image_formats_test.py with Pillow {PIL.__version__}; do not edit.",
        "",
        "namespace graft::test {",
        "",
        "struct GoldenFile {",
        "  const char* name;",
        "  const char* answer;  // of Pillow: width, height and the CRC-32 of the pixels; or why it refuses",
        "  const char* bytes;   // hexadecimal",
        "};",
        "",
        "// clang-format off",
        "inline constexpr GoldenFile golden_files[] = {",
    ]
    for name, file in files_of_kinds(5, 9).items():
        answer = answer_of_pillow(file).split(":")[0]
        lines += [f'    {{"{name}", "{answer}",', f'     "{file.hex()}"}},']
    return "\n".join([*lines, "};", "", "}  // namespace graft::test", ""])


def compare(decode_files):
    with tempfile.TemporaryDirectory() as folder:
        answers = {}
        for name, file in files_of_kinds(COUNT, 70).items():
            path = Path(folder) / name
            path.write_bytes(file)
            answers[path] = answer_of_pillow(file)
        process = subprocess.run([decode_files], input="".join(f"{path}\n" for path in answers), capture_output=True,
                                 text=True, check=True)
    lines = process.stdout.splitlines()
    assert len(lines) == len(answers), "a line for each file"
    wrong = [f"{path.name}: {line}; Pillow: {expected}" for (path, expected), line in zip(answers.items(), lines)
             if line != expected and not (line.startswith("refused") and expected.startswith("refused"))]
    for kind in KINDS:
        read = sum(not answer.startswith("refused") for path, answer in answers.items()
                   if path.name.startswith(kind.__name__))
        print(f"{kind.__name__}: {COUNT} files, {read} that Pillow reads")
        assert read > COUNT / 10, "the files are not what they are meant to be"
    assert not wrong, "\n".join(wrong)


def main():
    if len(sys.argv) == 1:
        print(golden_header(), end="")
        return
    decode_files, header = sys.argv[1:]
    compare(decode_files)
    assert Path(header).read_text() == golden_header(), f"{header} is not this script's; write it anew"


if __name__ == "__main__":
    main()
