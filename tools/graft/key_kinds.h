#pragma once
// Makers of Keys, one for each kind. `member` picks the value out of a Config, const or not.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tools/graft/schema.h"

namespace graft::program {

template <typename Member>
Key text_choice(std::string path, std::vector<std::string> choices, std::string doc,
                Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::choice;
  key.choices = std::move(choices);
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<std::string>();
  };
  return key;
}

template <typename Value, typename Member>
Key enum_choice(std::string path, std::vector<Value> values, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::choice;
  for (const Value value : values) key.choices.emplace_back(name_of(value));
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(std::string(name_of(member(config)))); };
  key.set = [member, values](Config& config, const Json& chosen, const Environment&) {
    const auto& name = chosen.get_ref<const std::string&>();
    member(config) = *std::find_if(values.begin(), values.end(),
                                   [&](Value value) { return name_of(value) == name; });
  };
  return key;
}

template <typename Member>
Key boolean(std::string path, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::boolean;
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<bool>();
  };
  return key;
}

struct Range {
  double lowest = 0.0, highest = 0.0;
  bool lowest_included = true, highest_included = true;
};

inline Key in_range(std::string path, KeyKind kind, const Range& range, std::string doc) {
  Key key;
  key.path = std::move(path);
  key.kind = kind;
  key.doc = std::move(doc);
  key.lowest = range.lowest;
  key.highest = range.highest;
  key.lowest_included = range.lowest_included;
  key.highest_included = range.highest_included;
  return key;
}

template <typename Member>
Key integer(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::integer, range, std::move(doc));
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<std::uint64_t>();
  };
  return key;
}

template <typename Member>
Key number(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::number, range, std::move(doc));
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.get<double>();
  };
  return key;
}

template <typename Member>
Key path_of(std::string path, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::path;
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(path_text(member(config))); };
  key.set = [member](Config& config, const Json& value, const Environment& environment) {
    const auto& text = value.get_ref<const std::string&>();
    member(config) = text.empty() ? std::filesystem::path() : expand_path(text, environment);
  };
  return key;
}

template <typename Member>
Key image_size(std::string path, const Range& range, std::string doc, Member member) {
  Key key = in_range(std::move(path), KeyKind::size, range, std::move(doc));
  key.get = [member](const Config& config) {
    return Json::array({member(config).height, member(config).width});
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = {value[0].get<std::uint32_t>(), value[1].get<std::uint32_t>()};
  };
  return key;
}

inline Key at_least(std::size_t least, Key key) {
  key.least = least;
  return key;
}

template <typename Member>
Key integers(std::string path, std::size_t most, const Range& range, std::string doc,
             Member member) {
  Key key = in_range(std::move(path), KeyKind::integers, range, std::move(doc));
  key.most = most;
  key.get = [member](const Config& config) {
    Json array = Json::array();
    for (const std::size_t value : member(config)) array.push_back(value);
    return array;
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config).clear();
    for (const Json& element : value) member(config).push_back(element.get<std::size_t>());
  };
  return key;
}

inline Json size_json(ImageSize size) {
  return size.height == size.width ? Json(size.height) : Json::array({size.height, size.width});
}

template <typename Member>
Key image_sizes(std::string path, std::size_t most, const Range& range, std::string doc,
                Member member) {
  Key key = in_range(std::move(path), KeyKind::sizes, range, std::move(doc));
  key.least = 1;
  key.most = most;
  key.get = [member](const Config& config) {
    Json array = Json::array();
    for (const ImageSize size : member(config)) array.push_back(size_json(size));
    return array;
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config).clear();
    for (const Json& one : value) {
      const Json& height = one.is_array() ? one[0] : one;
      const Json& width = one.is_array() ? one[1] : one;
      member(config).push_back({height.get<std::uint32_t>(), width.get<std::uint32_t>()});
    }
  };
  return key;
}

template <typename Value, typename Member>
Key enum_choices(std::string path, std::vector<Value> values, std::string doc, Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::words;
  key.least = 1;
  key.most = values.size();
  for (const Value value : values) key.choices.emplace_back(name_of(value));
  key.doc = std::move(doc);
  key.get = [member](const Config& config) {
    Json array = Json::array();
    for (const Value value : member(config)) array.push_back(std::string(name_of(value)));
    return array;
  };
  key.set = [member, values](Config& config, const Json& chosen, const Environment&) {
    member(config).clear();
    for (const Json& one : chosen) {
      const auto& name = one.get_ref<const std::string&>();
      member(config).push_back(*std::find_if(values.begin(), values.end(),
                                             [&](Value value) { return name_of(value) == name; }));
    }
  };
  return key;
}

// Any text that `check` does not throw at: it is given the text, and throws Error(usage), a sentence
// without a place.
template <typename Member>
Key text_of(std::string path, std::string doc, const std::function<void(const std::string&)>& check,
            Member member) {
  Key key;
  key.path = std::move(path);
  key.kind = KeyKind::text;
  key.doc = std::move(doc);
  key.get = [member](const Config& config) { return Json(member(config)); };
  key.set = [member, check](Config& config, const Json& value, const Environment&) {
    check(value.get_ref<const std::string&>());
    member(config) = value.get<std::string>();
  };
  return key;
}

// The value, or `word`, which is 0 in a Config.
template <typename Member>
Key integer_or(const std::string& word, std::string path, const Range& range, std::string doc,
               Member member) {
  Key key = in_range(std::move(path), KeyKind::integer, range, std::move(doc));
  key.automatic = word;
  key.get = [member, word](const Config& config) {
    return member(config) == 0 ? Json(word) : Json(member(config));
  };
  key.set = [member](Config& config, const Json& value, const Environment&) {
    member(config) = value.is_string() ? 0 : value.get<std::uint64_t>();
  };
  return key;
}

// WORD:N is chosen as WORD is, N in the range.
inline Key with_number(Key key, std::string word, const Range& range) {
  key.numbered = std::move(word);
  key.lowest = range.lowest;
  key.highest = range.highest;
  return key;
}

inline Key with_fallback(Key key, std::string text) {
  key.fallback = std::move(text);
  return key;
}

inline Key required(Key key) {
  key.required = true;
  return key;
}

inline Key may_be_empty(Key key) {
  key.may_be_empty = true;
  return key;
}

}  // namespace graft::program
