#pragma once
// Results on standard output, which carries nothing else, and predictions as text: CSV (RFC 4180
// quoting, lines end in \n) or JSON Lines.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "engine/job/job.h"

namespace graft::program {

// The reader of a pipe has closed it (`graft predict … | head`). Not an error.
struct ReaderGone {};

// The lines with each as printable(): what a terminal may be given.
std::string safe_lines(std::string_view text);

// Both throw ReaderGone, or Error(io) with the system's reason (a full disk). A terminal is given
// safe_lines().
void write_result(std::string_view text);
void flush_results();

inline void print_result(std::string_view text) {
  write_result(text);
  flush_results();
}

// A CSV field: quoted when it holds a comma, a quote, a line break or outer spaces.
std::string csv_field(std::string_view text);

// Predictions as lines: with the probabilities of all classes in their order, or of the `top` most
// probable, falling, equal ones in their order. A `top` of 0 means all.

// "path,label,cats,dogs,error\n", with a top "path,label,probability,label_2,probability_2,error\n"
std::string csv_header(const std::vector<std::string>& classes, std::size_t top);
// "photos/1.jpg,cats,0.7500,0.2500,\n", with a top "photos/1.jpg,cats,0.7500,dogs,0.2500,\n"
std::string csv_row(const std::vector<std::string>& classes, const Prediction& prediction,
                    std::size_t top);
// {"path": "photos/1.jpg", "label": "cats", "probabilities": {"cats": 0.75, "dogs": 0.25}}\n
// {"path": "photos/2.jpg", "error": "…"}\n
// Numbers have the fewest digits that read back as the same float. Bytes of a path that are not
// UTF-8 become \xNN, because JSON cannot hold them.
std::string json_line(const std::vector<std::string>& classes, const Prediction& prediction,
                      std::size_t top);

}  // namespace graft::program
