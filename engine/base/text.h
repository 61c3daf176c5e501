#pragma once
// Names and numbers inside sentences.

#include <cstdint>
#include <string>
#include <string_view>

namespace graft {

// Whether JSON can hold the text: UTF-8 without overlong forms, surrogates and values above 10FFFF.
bool is_utf8(std::string_view text);

// The text with every byte that is not part of valid UTF-8 written as \xNN.
std::string escape_invalid_utf8(std::string_view text);

// The text inside of XML: markup characters escaped; what XML cannot hold becomes U+FFFD.
std::string xml_text(std::string_view text);

// 100000 as "100,000".
std::string grouped(std::uint64_t number);

// "1 image", "2,000 images".
std::string counted(std::uint64_t number, std::string_view one, std::string_view many);

}  // namespace graft
