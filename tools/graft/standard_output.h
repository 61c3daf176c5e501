#pragma once
// Standard output carries results and nothing else. A write that fails is an error, not silence.

#include <string_view>

namespace graft::program {

// The reader of a pipe has gone (`graft predict … | head`): no fault of anybody.
struct ReaderGone {};

// Throws ReaderGone, or Error(io) with the system's reason (a full disk).
void write_result(std::string_view text);
void flush_results();

}  // namespace graft::program
