#include "xml_check.h"

#include <cctype>
#include <stdexcept>

namespace graft::test {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  std::vector<XmlElement> parse() {
    do {
      if (!open_.empty() && peek() != '<') {
        elements_[open_.back()].text += character();
      } else if (text_.substr(at_, 2) == "</") {
        close_element();
      } else {
        open_element();
      }
    } while (!open_.empty());
    skip_spaces();
    if (at_ != text_.size()) fault("something follows the root element");
    return std::move(elements_);
  }

 private:
  [[noreturn]] void fault(const std::string& what) const {
    throw std::runtime_error(what + " at byte " + std::to_string(at_));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : fault_at_end(); }
  [[noreturn]] char fault_at_end() const { fault("the text ends too early"); }
  void expect(char wanted) {
    if (peek() != wanted) fault(std::string("expected ") + wanted);
    ++at_;
  }
  void skip_spaces() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n')) ++at_;
  }
  std::string name() {
    const std::size_t start = at_;
    while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-' ||
           peek() == ':') {
      ++at_;
    }
    if (at_ == start) fault("expected a name");
    return std::string(text_.substr(start, at_ - start));
  }

  // One character of text or of an attribute's value, or one entity.
  std::string character() {
    const char first = peek();
    if (first == '&') {
      for (const std::string_view entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&apos;", "&#39;"}) {
        if (text_.substr(at_, entity.size()) == entity) {
          at_ += entity.size();
          return std::string(entity);
        }
      }
      fault("a bare &");
    }
    if (first == '<') fault("a bare <");
    if (static_cast<unsigned char>(first) < 0x20 && first != '\n') fault("a control character");
    const std::size_t length = utf8_length();
    at_ += length;
    return std::string(text_.substr(at_ - length, length));
  }

  std::size_t utf8_length() const {
    const auto first = static_cast<unsigned char>(peek());
    if (first < 0x80) return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || at_ + length > text_.size()) fault("malformed UTF-8");
    for (std::size_t i = 1; i < length; ++i) {
      if ((static_cast<unsigned char>(text_[at_ + i]) & 0xC0U) != 0x80) fault("malformed UTF-8");
    }
    return length;
  }

  void open_element() {
    expect('<');
    XmlElement element{name(), {}, ""};
    bool empty = false;
    for (skip_spaces(); peek() != '>'; skip_spaces()) {
      if (peek() == '/') {
        ++at_;
        empty = true;
        break;
      }
      const std::string key = name();
      expect('=');
      expect('"');
      std::string value;
      while (peek() != '"') value += character();
      expect('"');
      if (!element.attributes.emplace(key, value).second) fault("the attribute " + key + " twice");
    }
    expect('>');
    elements_.push_back(std::move(element));
    if (!empty) open_.push_back(elements_.size() - 1);
  }

  void close_element() {
    at_ += 2;
    if (name() != elements_[open_.back()].name) fault("an end tag of another element");
    expect('>');
    open_.pop_back();
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<XmlElement> elements_;
  std::vector<std::size_t> open_;
};

}  // namespace

std::vector<XmlElement> parse_xml(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace graft::test
