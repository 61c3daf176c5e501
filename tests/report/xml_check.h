#pragma once
// A well-formedness check for the XML that the project writes: tags nest and close, attributes are
// quoted and appear once, only the five predefined and numeric entities are used, no character that
// XML forbids. (No comments, CDATA, processing instructions or document types: they count as
// faults.)

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace graft::test {

struct XmlElement {
  std::string name;
  std::map<std::string, std::string> attributes;  // with entities as they stand
  std::string text;                               // directly inside, with entities as they stand
};

// The elements in the order of their start tags. Throws std::runtime_error with the fault.
std::vector<XmlElement> parse_xml(std::string_view text);

}  // namespace graft::test
