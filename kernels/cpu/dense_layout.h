#pragma once
// Memory layout of a Dense layer's matrices: every kernel reads complete cache lines in order.
//
// The kernel W, inputs × units, in chunks of dense_chunk inputs, one after the other, and a chunk
// in panels of 16 units, whose rows are cache lines one behind the other:
//
//            units                         in memory
//        ┌────────┬────────┬───┐           chunk 0: panel 0: row 0, row 1, …, row 255
//  chunk │ panel  │ panel  │ 2 │                    panel 1: row 0, …
//    0   │   0    │   1    │   │                    panel 2: row 0, …: as wide as the units that
//        ├────────┼────────┼───┤                             are left; nothing is padded, and one
//    1   │        │        │   │                             unit is a plain vector
//        └────────┴────────┴───┘           chunk 1: …
//
// A tile of any height streams through memory, and what a thread works on is contiguous. Row-major,
// the rows of 256 units would be 1 KiB apart: four sets of the level-1 cache for all of them, and
// nothing that the hardware's prefetcher recognises.
//
// A batch of inputs, rows × inputs, is packed in lines of 16 inputs of a row:
//
//   row 0   ░░░░▒▒▒▒▓▓▓▓ …         packed   ░░░░ ░░░░ ░░░░ ▒▒▒▒ ▒▒▒▒ ▒▒▒▒ ▓▓▓▓ …
//   row 1   ░░░░▒▒▒▒▓▓▓▓ …    ─▶            row0 row1 row2 row0 row1 row2 row0
//   row 2   ░░░░▒▒▒▒▓▓▓▓ …
//
// so that packing copies complete lines, and a tile's inputs of all rows are contiguous.
//
// The functions are static: this header is compiled for several processors (see vector.h).

#include <cstddef>

namespace graft::cpu {

inline constexpr std::size_t dense_chunk = 256;
inline constexpr std::size_t panel_units = 16;
inline constexpr std::size_t line_inputs = 16;

// Units in the panel that begins at `unit`, a multiple of panel_units.
static constexpr std::size_t panel_width(std::size_t units, std::size_t unit) {
  return units - unit < panel_units ? units - unit : panel_units;
}

// The index of row `input` and unit `unit` in a chunk of `count` inputs. Chunk c begins at
// c · dense_chunk · units.
static constexpr std::size_t kernel_index(std::size_t count, std::size_t units, std::size_t input,
                                          std::size_t unit) {
  const std::size_t panel = unit / panel_units * panel_units;
  return panel * count + input * panel_width(units, panel) + (unit - panel);
}

// Floats that `inputs` inputs of `rows` rows take when they are packed.
static constexpr std::size_t packed_size(std::size_t rows, std::size_t inputs) {
  return (inputs + line_inputs - 1) / line_inputs * line_inputs * rows;
}

// The index of input `input` of row `row` in packed inputs.
static constexpr std::size_t packed_index(std::size_t rows, std::size_t row, std::size_t input) {
  return (input / line_inputs * rows + row) * line_inputs + input % line_inputs;
}

}  // namespace graft::cpu
