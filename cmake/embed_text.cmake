# cmake -D SOURCE=… -D OUTPUT=… -D NAME=… -P embed_text.cmake: a text file as the C++ constant NAME. The file must not
# contain the text )embedded".
file(READ "${SOURCE}" text)
file(WRITE "${OUTPUT}" "#pragma once
#include <string_view>
namespace graft {
inline constexpr std::string_view ${NAME} = R\"embedded(${text})embedded\";
}  // namespace graft
")
