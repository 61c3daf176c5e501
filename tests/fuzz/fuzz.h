#pragma once
// What the fuzz targets share. A target is one LLVMFuzzerTestOneInput: it reads the bytes as one of the
// project's files and ends the process where a property does not hold. It returns -1 for an input
// that is not worth keeping.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "engine/base/error.h"

namespace graft::fuzz {

using Bytes = std::span<const std::byte>;

inline std::string_view text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Ends the process: the fuzzer keeps the input, a test fails.
void require(bool holds, const char* property);

// A refusal is an Error of this kind whose message has printable lines.
void check_refusal(const Error& error, ErrorKind kind);

void count_accepted();
std::size_t accepted_inputs();

// What `parse` returns, or nothing where it refuses the input. Any exception but an Error of `kind`
// ends the process.
template <std::invocable Parse>
std::optional<std::invoke_result_t<Parse>> accepted(ErrorKind kind, const Parse& parse) {
  try {
    std::optional<std::invoke_result_t<Parse>> result(parse());
    count_accepted();
    return result;
  } catch (const Error& error) {
    check_refusal(error, kind);
    return std::nullopt;
  }
}

// A copy that ends where readable memory ends, valid until the next call. For inputs of at most 1 MiB.
Bytes before_unreadable_memory(Bytes bytes);

// A file with these bytes in a folder of this process.
std::filesystem::path file_with(Bytes bytes, const std::string& name = "input");
std::filesystem::path file_with(std::string_view text, const std::string& name = "input");

}  // namespace graft::fuzz

// The function of a target, between these two. `input` is the bytes.
#define GRAFT_FUZZ_TARGET(input)                                                      \
  static int run_target(::graft::fuzz::Bytes input);                                  \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    return run_target(std::as_bytes(std::span(data, size)));                          \
  }                                                                                   \
  static int run_target(::graft::fuzz::Bytes input)
